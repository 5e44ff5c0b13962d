"""Presets load, resolve to models, name the source of every number, and reproduce what they cite."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest

from popsim.models import resolve
from popsim.models.cold_start import PoolRules
from popsim.scenario.bundled import bundled_file, bundled_names
from popsim.scenario.laws import Law
from popsim.scenario.loading import read_scenario
from popsim.scenario.schema import PlatformSpec

PRESETS = bundled_names("presets")
SOURCE = re.compile(r"https?://\S+|ASSUMPTION|RFC \d+|USENIX|IMC 2015|SIGCOMM 2021|developer guide")
NUMBER = re.compile(r"^(?!description).*:.*(?<![\w-])\d")
MINUTE_MS = 60_000.0


def platform(preset: str, **over: Any) -> PlatformSpec:
    scenario, _ = read_scenario(
        {
            "name": "one platform",
            "duration": "1min",
            "workload": {"arrivals": {"rate": "1/s"}},
            "platforms": {"it": {"preset": preset, **over}},
        }
    )
    return scenario.platforms["it"]


def rules(preset: str, **over: Any) -> PoolRules:
    spec = platform(preset, **over)
    return resolve("cold_start", spec.runtime).rules(spec.memory)


def quantile(law: Law, p: float) -> float:
    if p <= 0.5:
        return float(law.quantile_lower(np.array([p]))[0])
    return float(law.quantile_upper(np.array([1.0 - p]))[0])


def test_the_promised_presets_are_there() -> None:
    assert {
        "cloudflare-workers",
        "cloudflare-workers-2018",
        "aws-lambda",
        "aws-lambda-2018",
        "aws-lambda-edge",
        "aws-lambda-edge-2018",
        "vercel-edge",
        "vercel-functions",
    } <= set(PRESETS)


@pytest.mark.parametrize("preset", PRESETS)
def test_presets_resolve_to_models(preset: str) -> None:
    spec = platform(preset)
    assert spec.description
    assert resolve("routing", spec.ingress.routing)
    assert rules(preset).concurrency >= 1


@pytest.mark.parametrize("preset", PRESETS)
def test_every_number_is_in_a_paragraph_with_a_source_or_an_assumption(preset: str) -> None:
    """A number's comment stands on its line or above, within the lines up to the next blank one."""
    text = bundled_file("presets", preset).read_text(encoding="utf-8")
    for paragraph in re.split(r"\n\s*\n", text):
        lines = paragraph.splitlines()
        values = [line for line in lines if NUMBER.search(line.split("#")[0])]
        if values:
            assert SOURCE.search(paragraph), f"{preset}: no source for {values}"


def test_a_cold_lambda_takes_what_clients_saw_in_2021_beyond_a_warm_one() -> None:
    """Cold p50/p90/p95/p99 264/362/487/847 ms less the warm median 99.4 ms, n = 686.

    https://mikhail.io/serverless/coldstarts/aws/, 2021-01-07. Tolerance 5 %: two lognormal laws and a
    table were fitted to four percentiles.
    """
    pool = rules("aws-lambda")
    generator = np.random.default_rng(1)
    total = np.zeros(200_000)
    for law in (pool.placement, pool.code_fetch, pool.init):
        tail = generator.uniform(0.0, 0.5, total.size)
        upper = generator.random(total.size) < 0.5
        total += np.where(upper, law.quantile_upper(tail), law.quantile_lower(tail))
    seen = np.percentile(total, [50, 90, 95, 99])
    assert seen == pytest.approx(np.array([264, 362, 487, 847]) - 99.4, rel=0.05)


def test_idle_lambdas_expire_as_measured() -> None:
    """P(cold) after idle minutes, https://mikhail.io/serverless/coldstarts/aws/intervals/, 2021-01."""
    idle = rules("aws-lambda").idle
    assert idle is not None
    at = np.array([4.0, 5.0, 6.0, 7.0]) * MINUTE_MS
    assert idle.cdf(at) == pytest.approx([0.0015, 0.003, 0.406, 1.0], abs=0.001)
    before = rules("aws-lambda-2018").idle
    assert before is not None
    assert [quantile(before, p) / MINUTE_MS for p in (0.1, 0.5, 0.9)] == pytest.approx([29, 44, 59])


def test_the_cold_start_of_2018_has_the_published_moments() -> None:
    """Mean 265.21, standard deviation 354.43 ms (Wang et al., USENIX ATC 2018, as coded in OpenDC)."""
    init = rules("aws-lambda-2018").init
    sigma = np.log(quantile(init, 0.9) / quantile(init, 0.5)) / 1.2815515655446004
    assert init.mean() == pytest.approx(265.21, rel=0.01)
    assert init.mean() * np.sqrt(np.expm1(sigma**2)) == pytest.approx(354.43, rel=0.01)


def test_a_warm_vercel_function_takes_49_ms_beyond_its_round_trips() -> None:
    """The fit to the hourly medians of six cities, 2024-03: https://www.openstatus.dev/blog/."""
    spec = platform("vercel-functions")
    assert quantile(spec.front_door, 0.5) + quantile(spec.termination.time, 0.5) == pytest.approx(
        48
    )
    pool = rules("vercel-functions")
    cold = sum(law.mean() for law in (pool.placement, pool.code_fetch, pool.init))
    assert cold == pytest.approx(640, abs=25)


def test_vercel_functions_run_in_washington_and_edge_in_the_nearest_region() -> None:
    assert platform("vercel-functions").compute.sites == ("iad1",)
    edge = platform("vercel-edge")
    assert (edge.ingress.role, edge.compute.role) == ("pop", "region")
    assert (edge.termination.tcp, edge.termination.tls) == ("ingress", "compute")


def test_isolates_start_in_five_ms_behind_the_handshake() -> None:
    pool = rules("cloudflare-workers")
    assert pool.prewarm_on_tls and pool.cpu_serial
    assert quantile(pool.init, 0.5) == pytest.approx(5.0)
    assert pool.instance_bytes == 3_000_000 and pool.memory_budget_bytes == 8_000_000_000
    assert not rules("cloudflare-workers-2018").prewarm_on_tls  # it came in July 2020


def test_scenarios_override_any_part_of_a_preset() -> None:
    assert rules("aws-lambda", runtime={"idle": "10min"}).idle.maximum() == 10 * MINUTE_MS  # type: ignore[union-attr]
    assert rules("aws-lambda", runtime="always_warm").idle is None
    assert (
        platform(
            "cloudflare-workers", ingress={"exclude": {"country": None}}
        ).ingress.exclude.country
        is None
    )
    assert platform("aws-lambda", regions=["eu-west-1", "us-east-1"]).regions == (
        "eu-west-1",
        "us-east-1",
    )
