"""What was found about a published claim."""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module
from typing import Any, Literal, SupportsIndex, overload

from popsim.results.statistics import Estimate, finite

Outcome = Literal["holds", "fails", "undecided"]


@dataclass(frozen=True)
class Expectation:
    """One line of a claim: what was expected, what was observed.

    ``against`` are the bounds that depend on results, too, as in ``workers.p(50) < lambda.p(50)``, in the same unit;
    ``replications`` would decide it, if it is undecided and nothing else changes; ``reason`` says why else it is
    undecided, or fails without data. ``failed_ratio`` has the share of failures, which no latency counts, of each platform.
    """

    expect: str
    verdict: Outcome
    observed: Estimate
    unit: str  # ms, B or nothing
    replications: int | None = None
    against: tuple[float, ...] = ()
    reason: str | None = None
    failed_ratio: tuple[tuple[str, float], ...] = ()


@dataclass(frozen=True)
class Verdict:
    """A claim's verdict: the worst of its expectations', fails before undecided before holds."""

    id: str
    says: str
    source: dict[str, str]
    expectations: tuple[Expectation, ...]
    severity: Literal["error", "warn"] = "error"
    confidence: float = 0.95

    @property
    def verdict(self) -> Outcome:
        """``holds``, ``fails``, or ``undecided`` when an interval straddles its bound."""
        found = {expectation.verdict for expectation in self.expectations}
        if "fails" in found:
            return "fails"
        return "undecided" if "undecided" in found else "holds"

    @property
    def deciding(self) -> Expectation:
        """The first expectation that has the claim's verdict."""
        return next(e for e in self.expectations if e.verdict == self.verdict)

    def to_json_dict(self) -> dict[str, Any]:
        """Return id, verdict, and the deciding expectation's observation; all of them under ``expectations``."""
        return {
            "id": self.id,
            "says": self.says,
            "source": self.source,
            "verdict": self.verdict,
            "severity": self.severity,
            "confidence": self.confidence,
            **_observation(self.deciding),
            "expectations": [{"verdict": e.verdict, **_observation(e)} for e in self.expectations],
        }

    def _repr_html_(self) -> str:
        return Verdicts((self,))._repr_html_()


class Verdicts(tuple[Verdict, ...]):
    """The verdicts of a scenario's claims, in its order: a tuple that notebooks show as ticks and crosses."""

    __slots__ = ()

    @overload
    def __getitem__(self, place: SupportsIndex, /) -> Verdict: ...
    @overload
    def __getitem__(self, place: slice, /) -> Verdicts: ...
    def __getitem__(self, place: SupportsIndex | slice, /) -> Verdict | Verdicts:
        """Return a verdict, or some of them, which can be shown, too."""
        if isinstance(place, slice):
            return Verdicts(super().__getitem__(place))
        return super().__getitem__(place)

    def __repr__(self) -> str:
        """Name every claim with its verdict."""
        return f"Verdicts({', '.join(f'{each.id}: {each.verdict}' for each in self)})"

    def _repr_html_(self) -> str:
        # Upwards by name, so that results need not know about notebooks.
        text: str = import_module("popsim.report.notebook.verdicts").verdicts_html(self)
        return text


def _observation(expectation: Expectation) -> dict[str, Any]:
    observed = expectation.observed
    return {
        "observed": finite(observed.value),
        "low": finite(observed.low),
        "high": finite(observed.high),
        "expect": expectation.expect,
        "unit": expectation.unit,
        "against": [finite(bound) for bound in expectation.against],
        "replications_needed": expectation.replications,
        "reason": expectation.reason,
        "failed_ratio": {name: finite(ratio) for name, ratio in expectation.failed_ratio},
    }
