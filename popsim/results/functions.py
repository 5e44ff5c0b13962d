"""What a platform's functions cost: requests, CPU time, time of instances, and traffic."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from popsim.engine.handler import cpu_share
from popsim.engine.outputs import COLD_PHASES, PHASES, REASONS, PlatformRun
from popsim.engine.sums import in_units, total, total_of_runs
from popsim.scenario.prices import FunctionPrices
from popsim.scenario.schema import Scenario

KINDS = ("requests", "cpu", "duration", "egress")
BYTES_PER_GB = 1e9  # of traffic
HANDLER = [PHASES.index(phase) for phase in ("execute", "kv", "object", "fetch", "sleep")]
EXECUTE, COLD_START = PHASES.index("execute"), PHASES.index("cold_start")
# Who fails on the way or in a queue has called no function.
# ASSUMPTION: requests that were killed with their site are not charged.
FAILED_INSIDE = [
    REASONS.index(reason)
    for reason in (
        "kv_unavailable",
        "kv_limited",
        "object_lost",
        "object_overloaded",
        "object_unavailable",
    )
]
FREE = FunctionPrices()
ROUNDING = 1e-6  # of a step; times are sums of floating-point numbers


@dataclass(frozen=True)
class FunctionBill:
    """The price list of a platform's functions, and what it is applied to."""

    prices: FunctionPrices = FREE
    memory_gb: float = 0.0  # of an instance, in the price list's GB
    cpu_share: float = 1.0  # CPU-ms per ms of ``execute``
    response_gb: float = 0.0

    @property
    def is_free(self) -> bool:
        """Tell whether it charges nothing, whatever happens and wherever."""
        kinds = ("request", "cpu", "duration", "egress")
        lists = (self.prices, *self.prices.by_region.values())
        return not any(getattr(prices, kind) for prices in lists for kind in kinds)


def function_bill(scenario: Scenario, platform: str) -> FunctionBill | None:
    """Return what a platform charges for functions; None if the scenario does not say.

    Messages go to objects over open connections and call no function, which is free.
    """
    spec = scenario.platforms[platform]
    if scenario.workload.arrivals.messages is not None:
        return FunctionBill()
    if spec.prices is None:
        return None
    return FunctionBill(
        spec.prices,
        memory_gb=spec.memory / spec.prices.gb,
        cpu_share=cpu_share(spec),
        response_gb=scenario.workload.response_size / BYTES_PER_GB,
    )


class FunctionPool:
    """The functions of some runs of one platform. Sums are over all runs, after the warm-up."""

    def __init__(self, runs: Sequence[PlatformRun]) -> None:
        self.runs = tuple(runs)

    @property
    def requests(self) -> int:
        """All requests, answered or failed."""
        return sum(run.requests for run in self.runs)

    @property
    def answered(self) -> int:
        """Requests that were answered."""
        return int(sum(run.latency.sum() for run in self.runs))

    @property
    def calls(self) -> int:
        """Requests that a function was called for: those answered, and those that failed inside of a handler."""
        return self.answered + int(sum(run.failed[FAILED_INSIDE].sum() for run in self.runs))

    @property
    def execute_ms(self) -> float:
        """Time of ``execute`` of the answered requests; with a share of a CPU it is longer than their CPU time."""
        return self._phase_ms(EXECUTE)

    def instance_ms(self, *, bills_start: bool) -> float:
        """Return for how long instances had requests inside between warm-up and end; who shares an instance shares its time.

        What requests waited for starts is taken off: placement and code fetch, and without ``bills_start`` the
        initialisation. For an instance that takes one request at a time, that leaves the phases execute, kv, object,
        fetch and sleep of its requests, of the failed ones, too.
        """
        busy = sum(run.busy_us for run in self.runs) / 1e3
        sums = in_units(total_of_runs(run.cold_phase_sum_ns for run in self.runs), 1e6)
        starts = dict(zip(COLD_PHASES, sums.tolist(), strict=True))
        started = sum(starts.values())
        if started == 0.0:
            return busy
        unbilled = started - (starts["init"] if bills_start else 0.0)
        # Of a start that TLS hides in part, the rest counts in proportion; of several who wait for one, it counts once.
        waited = min(started, self._phase_ms(COLD_START))
        return float(max(0.0, busy - waited * unbilled / started))

    def rounding_ms(self, step_ms: float) -> float:
        """Return how much longer the answered requests get if each is rounded up to whole steps.

        The mean comes from the sample of whole requests; it is half a step without one.
        """
        if step_ms == 0.0:
            return 0.0
        parts = [run.sample_phases[run.sample["outcome"] == 0][:, HANDLER] for run in self.runs]
        steps = np.concatenate(parts).sum(axis=1) / step_ms
        mean = (np.ceil(steps - ROUNDING) - steps).mean() if len(steps) else 0.5
        return self.answered * float(mean) * step_ms

    def costs(self, bill: FunctionBill) -> dict[str, float]:
        """Return what a million requests cost in USD by kind: requests, cpu, duration, egress.

        Requests are those that a function was called for. ``cpu`` and ``egress`` are of the answered ones; the CPU time
        of those that failed inside of a handler is not kept. Free allowances, monthly fees and discounts for
        large volumes are left out.
        """
        prices = bill.prices
        price = {
            kind: self._mean_price(prices, kind)
            for kind in ("request", "cpu", "duration", "egress")
        }
        instance_ms = self.instance_ms(bills_start=prices.bills_start)
        gb_s = (instance_ms + self.rounding_ms(prices.step)) / 1e3 * bill.memory_gb
        usd = {
            "requests": self.calls * price["request"],
            "cpu": self.execute_ms * bill.cpu_share * price["cpu"],
            "duration": gb_s * price["duration"],
            "egress": self.answered * bill.response_gb * price["egress"] * 1e6,
        }  # USD per million, so a request's are USD per million requests; traffic is priced by the single GB
        return {kind: _ratio(amount, self.requests) for kind, amount in usd.items()}

    def _mean_price(self, prices: FunctionPrices, kind: str) -> float:
        """Return a price, weighted by where code runs: time for ``cpu`` and ``duration``, else requests."""
        usual: float = getattr(prices, kind)
        if not prices.by_region:
            return usual
        sites = self.runs[0].labels["site"]
        amounts = np.zeros(len(sites))
        for run in self.runs:
            answered = run.sample["outcome"] == 0
            if kind == "duration":
                weights = run.sample_phases[answered][:, HANDLER].sum(axis=1)
            elif kind == "cpu":
                weights = run.sample_phases[answered][:, EXECUTE]
            else:
                weights = np.ones(int(answered.sum()))
            np.add.at(amounts, run.sample["compute"][answered], weights)
        charged = np.array([prices.at(kind, site) for site in sites])
        if not amounts.sum():
            return float(charged[0]) if len(set(charged)) == 1 else usual
        return float(amounts @ charged / amounts.sum())

    def cost_usd_per_million_requests(self, bill: FunctionBill) -> float:
        """Return what a million requests cost by a price list."""
        return sum(self.costs(bill).values())

    def _phase_ms(self, phase: int) -> float:
        return float(sum(total(run.phase_sum_ns[:, phase]) for run in self.runs) / 1e6)


def _ratio(total: float, count: float) -> float:
    return total / count if count else float("nan")
