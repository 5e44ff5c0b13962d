"""Files that are none, or no text, are refused before they do harm, with a line where there is one."""

import os
from pathlib import Path

import pytest

import popsim
from popsim.scenario.files import open_regular, read_text
from popsim.scenario.own_files import content_hash
from popsim.world.clients import load_clients
from popsim.world.sites import load_sites
from popsim.world.table import Table

SITES = "id,city,country,lat,lon,roles\na,Berlin,DE,52.5,13.4,pop\nb,Paris,FR,48.9,2.4,pop region\n"


@pytest.mark.parametrize("name", ["/dev/zero", "/dev/tty", "fifo.csv"])
def test_what_never_ends_is_refused(name: str, tmp_path: Path) -> None:
    path = tmp_path / name  # /dev/... is absolute
    if name == "fifo.csv":
        os.mkfifo(path)
    with pytest.raises(popsim.InputError, match=r"is a device or a pipe \(expected a CSV file"):
        open_regular(path, 10, "a CSV file")
    assert content_hash(str(path)) is None


def test_files_of_the_kernel_claim_to_be_empty_and_are_not_read() -> None:
    assert read_text(Path("/proc/self/status"), 10**6, "text") == ""


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"ok\nok\nn\xfc\n", r":3: is not UTF-8 text \(byte 7\)"),
        ("ok\nok".encode("utf-16"), ":1: is not UTF-8 text"),
        (b"ok\n\x1b[31m\n", r":2:1: has the control character '\\x1b'"),
        (b"ok\rok\r\nx\0\n", r":3:2: has the control character '\\x00'"),
        ("ok\nok\x85".encode(), r":2:3: has the control character '\\x85'"),
    ],
)
def test_what_is_no_text_has_a_line(content: bytes, told: str, tmp_path: Path) -> None:
    path = tmp_path / "it.csv"
    path.write_bytes(content)
    with pytest.raises(popsim.InputError, match=told):
        read_text(path, 1_000, "text")


@pytest.mark.parametrize(
    "written",
    [
        SITES.encode(),
        b"\xef\xbb\xbf" + SITES.encode(),
        SITES.replace(",", ";").encode(),
        SITES.replace(",", "\t").encode(),
        SITES.replace("\n", "\r\n").encode(),
        SITES.replace("\n", "\r").encode(),
        b"\xef\xbb\xbf# a comment, with commas\r\n" + SITES.replace(",", ";").encode(),
    ],
)
def test_tables_as_spreadsheets_write_them(written: bytes, tmp_path: Path) -> None:
    path = tmp_path / "sites.csv"
    path.write_bytes(written)
    sites = load_sites(str(path))
    assert (sites.ids, list(sites.lat)) == (("a", "b"), [52.5, 48.9])
    assert sites.roles[1] == {"pop", "region"}


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (SITES + 'c,"' + "x" * 131_073 + '",DE,1,2,pop\n', ":4: has 131,088 characters"),
        (SITES + "a,Rome,IT,41,12,pop\n", r":4: the id 'a' is there twice \(first in line 2\)"),
        (SITES.replace("roles", "id"), ":1: the column 'id' is there twice"),
        (SITES.replace(",", ";").replace("52.5", "52,5"), ":2: lat must be a number, got '52,5'"),
    ],
)
def test_mistakes_of_tables(text: str, told: str, tmp_path: Path) -> None:
    path = tmp_path / "sites.csv"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(popsim.InputError, match=told):
        load_sites(str(path))


def test_a_table_is_read_row_by_row(tmp_path: Path) -> None:
    """Of 10,000 rows that are all wrong, no more are looked at than are told, and few are printed."""
    path = tmp_path / "clients.csv"
    path.write_text("id,city\n" + ",\n" * 10_000, encoding="utf-8")
    rows: list[str] = []
    with pytest.raises(popsim.InputError) as caught:
        rows.extend(row.text("id") for row in Table(path, ("id", "city")))
    assert len(rows) == len(caught.value.problems) == 1_000
    assert len(str(caught.value).splitlines()) == 51
    assert str(caught.value).endswith("\nand 950 more")


def test_many_clients_take_little_memory(tmp_path: Path) -> None:
    """Less than 400 bytes a client while they are read; a dictionary each took thousands."""
    import tracemalloc

    count = 20_000
    rows = "".join(f"c{n},Berlin,DE,52.{n},13.4,1,1\n" for n in range(count))
    path = tmp_path / "clients.csv"
    path.write_text("id,city,country,lat,lon,utc_offset_h,weight\n" + rows, encoding="utf-8")
    tracemalloc.start()
    clients = load_clients(str(path))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert len(clients) == count
    assert peak < 400 * count
