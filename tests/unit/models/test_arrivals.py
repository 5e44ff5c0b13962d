from __future__ import annotations

import numpy as np
import pytest

from popsim.models.arrivals import PROFILES, hourly_profile


@pytest.mark.parametrize("name", [None, *sorted(PROFILES)])
def test_profiles_have_24_hours_and_mean_1(name: str | None) -> None:
    profile = hourly_profile(name)
    assert profile.shape == (24,)
    assert profile.mean() == pytest.approx(1.0)


def test_evening_follows_its_source() -> None:
    """Half of the peak at 6 h, above 60 % of it until 3 h, the peak in the late evening."""
    profile = hourly_profile("evening") / hourly_profile("evening").max()
    assert profile[6] == pytest.approx(0.5)
    assert profile[:4].min() >= 0.6
    assert 19 <= profile.argmax() <= 23


def test_office_peaks_at_twice_its_floor() -> None:
    profile = hourly_profile("office")
    assert profile.max() / profile.min() == pytest.approx(2.0)
    assert np.all(profile[:7] == profile.min())


def test_own_numbers_need_no_scale() -> None:
    assert hourly_profile([3.0] * 24) == pytest.approx(np.ones(24))


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        ("nights", "known: evening, office"),
        ([1.0] * 23, "24 numbers"),
        ([0.0] * 24, "not all 0"),
        ([-1.0] + [1.0] * 23, "from 0 up"),
        ([float("nan")] + [1.0] * 23, "finite"),
    ],
)
def test_bad_profiles_say_why(bad: str | list[float], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        hourly_profile(bad)
