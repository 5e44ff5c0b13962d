"""Read expectations: ``lambda.p(95) / workers.p(95) >= 5.41``, ``workers.p(50) between 10ms and 16ms``.

    expectation = all ("or" all)*
    all         = comparison ("and" comparison)*
    comparison  = sum ("<" | "<=" | ">" | ">=") sum  |  sum "between" sum "and" sum  |  sum "within" number "%" "of" sum
    sum         = product (("+" | "-") product)*
    product     = atom (("*" | "/") atom)*
    atom        = number [unit] | "(" sum ")" | platform [selector] "." [phase "."] metric
                | platform [selector] ".kv" ["[" key space "]"] "." kv metric
                | platform ".objects" ["[" class "]"] "." object metric
    selector    = "{" key ":" names ["," ...] "}"
                | platform [selector] "." ("failed" | "failed_ratio") "[" reason "]"
    metric      = "p(" number ")" | "p50" | ... | "med" | "mean" | "avg" | "min" | "max"
                | "sent" | "answered" | "failed" | "failed_ratio" | "cold_start_ratio" | "count" | "rate"
                | "instances" | "memory" | "cost" | "cost_answered"
    kv metric   = "read" ["." tier] "." metric | "write." metric | "staleness." metric | "staleness.max"
                | "visibility." metric | "hit_ratio" | "stale_ratio" | ... | "cost"
    object metric = ("call" | part of a call | "distance" | "spawn") "." metric
                | ("ack" | "visible") ["." message | "[" message "]"] ["." spread] "." metric
                | "reconnect." metric | "reconnect.max"
                | "staleness." metric | "lost_ratio" | ... | "moves" | ... | "cost"

A selector is a YAML mapping; ``avg`` is ``mean`` wherever there is one. Units are checked while reading: a comparison of
ms with a bare number is an error.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import replace

from popsim.claims import kv_metric, object_metric
from popsim.claims.expression import (
    BY_REASON,
    UNITS,
    AnyMetric,
    Combination,
    Comparison,
    Condition,
    Expression,
    Metric,
    Number,
    Operation,
)
from popsim.claims.kv_metric import KvMetric
from popsim.claims.read_objects import ObjectReader
from popsim.claims.selector import Selector, narrowed, read_selector
from popsim.claims.tokens import PERCENTILE, SAME, ClaimSyntaxError, Token
from popsim.claims.unit import BYTES, NONE, TIME, Unit
from popsim.engine.outputs import PHASES, REASONS
from popsim.results.pooled import PARTS
from popsim.scenario.errors import InputError, did_you_mean
from popsim.scenario.parts import Where
from popsim.scenario.text import quoted
from popsim.scenario.units import DURATIONS_MS, SIZES_BYTES

NOWHERE = Where()
SELECTABLE = "what is of requests can be selected; of key-value stores, reads by place; of instances and bills, nothing"
PARTS_OF_TIME = (*PHASES, *PARTS)
METRICS = ("p(95)", "med", *UNITS)
NUMBER_UNITS: dict[str, tuple[float, Unit]] = {
    "": (1.0, NONE),
    **{name: (scale, TIME) for name, scale in DURATIONS_MS.items()},
    **{name: (float(scale), BYTES) for name, scale in SIZES_BYTES.items()},
    "%": (0.01, NONE),
}  # how many ms, bytes or ones each is


def parse_expectation(
    text: str,
    platforms: Collection[str],
    messages: Collection[str] = (),
    where: Where = NOWHERE,
) -> Condition:
    """Read an expectation about some platforms, and about what participants of objects send, if they do.

    ``where`` are the claim's places: metrics that need requests of these kept apart get them as their selector.

    Raises:
        ClaimSyntaxError: it cannot be read, names something unknown, or compares different units.
    """
    return _Parser(text, platforms, messages, where).expectation()


class _Parser(ObjectReader):
    """Recursive descent, one method per rule."""

    def __init__(
        self, text: str, platforms: Collection[str], messages: Collection[str], where: Where
    ) -> None:
        super().__init__(text, messages)
        self.platforms, self.where = platforms, where

    def expectation(self) -> Condition:
        return self.combination("or", lambda: self.combination("and", self.comparison))

    def combination(self, operator: str, part: Callable[[], Condition]) -> Condition:
        parts = [part()]
        while self.accept(operator) is not None:
            parts.append(part())
        return parts[0] if len(parts) == 1 else Combination(operator, tuple(parts))

    def comparison(self) -> Comparison:
        begin = self.next.column
        left = self.sum()
        if (operator := self.accept("<", "<=", ">", ">=")) is not None:
            bounds = [(operator.text, self.sum())]
        elif self.accept("between") is not None:
            low = self.sum()
            self.expect("and")
            bounds = [(">=", low), ("<=", self.sum())]
        elif self.accept("within") is not None:
            bounds = self.around(self.share())
        else:
            raise self.wrong(
                f"expected <, <=, >, >=, between or within, got {quoted(self.next.text)}"
            )
        if self.next is not self.end and self.next.text not in ("and", "or"):
            raise self.wrong(f"expected the end, got {quoted(self.next.text)}")
        for _, bound in bounds:
            self.same_unit(left, bound, begin)
        if not left.metrics() and not any(bound.metrics() for _, bound in bounds):
            raise ClaimSyntaxError("no platform's metric is in it", begin, "such as workers.p(95)")
        return Comparison(left, tuple(bounds))

    def share(self) -> float:
        """Read the number between ``within`` and ``of``."""
        token = self.take()
        if token.kind != "number" or token.unit != "%":
            message = f"expected a share such as 10%, got {quoted(token.text + token.unit)}"
            raise ClaimSyntaxError(message, token.column)
        self.expect("of")
        return float(token.text) / 100.0

    def around(self, share: float) -> list[tuple[str, Expression]]:
        """Read what the left side is near, and return both bounds."""
        middle = self.sum()
        return [
            (operator, Operation("*", middle, Number(1.0 + sign * share, NONE), middle.unit))
            for operator, sign in ((">=", -1.0), ("<=", 1.0))
        ]

    def sum(self) -> Expression:
        left = self.product()
        while (operator := self.accept("+", "-")) is not None:
            right = self.product()
            self.same_unit(left, right, operator.column)
            left = Operation(operator.text, left, right, left.unit)
        return left

    def product(self) -> Expression:
        left = self.atom()
        while (operator := self.accept("*", "/")) is not None:
            right = self.atom()
            combined = left.unit.times if operator.text == "*" else left.unit.over
            left = Operation(operator.text, left, right, combined(right.unit))
        return left

    def atom(self) -> Expression:
        if self.opens():
            inner = self.sum()
            self.closes()
            return inner
        if self.next.kind == "number":
            return self.number()
        if self.next.kind == "name":
            return self.metric()
        raise self.wrong(
            f"expected a number or a metric such as workers.p(95), got {quoted(self.next.text)}"
        )

    def number(self) -> Number:
        token = self.take()
        if token.unit not in NUMBER_UNITS:
            hint = f"expected one of {', '.join(name for name in NUMBER_UNITS if name)}"
            raise ClaimSyntaxError(f"unknown unit {quoted(token.unit)}", token.column, hint)
        scale, unit = NUMBER_UNITS[token.unit]
        return Number(float(token.text) * scale, unit)

    def metric(self) -> AnyMetric:
        platform = self.take()
        if platform.text not in self.platforms:
            hint = did_you_mean(platform.text, list(self.platforms))
            message = f"there is no platform {quoted(platform.text)}"
            raise ClaimSyntaxError(message, platform.column, hint)
        selector = self.selector()
        self.expect(".")
        begin = self.next
        if begin.text == "kv" and not self.is_phase():
            found: AnyMetric = self.kv_metric(platform.text)
        elif begin.text == "objects":
            found = self.object_metric(platform.text)
        else:
            found = self.request_metric(platform.text)
        if self.where != NOWHERE and isinstance(found, Metric) and found.can_select(("place",)):
            if selector is not None and "place" in selector.kinds:
                message = "the claim has a where: already; select places in one of the two"
                raise ClaimSyntaxError(message, begin.column)
            together = narrowed(self.where, selector)
            return replace(found, selector=together) if found.is_apart(together) else found
        if selector is None:
            return found
        if not found.can_select(selector.kinds):
            message = f"this metric is not kept by {' or '.join(selector.kinds)}"
            raise ClaimSyntaxError(message, begin.column, SELECTABLE)
        return replace(found, selector=selector)

    def selector(self) -> Selector | None:
        """Read what is in braces, if there are some."""
        if self.next.kind != "selector":
            return None
        token = self.take()
        try:
            return read_selector(token.text)
        except InputError as error:
            problem = error.problems[0]
            at = token.text.find(str(problem.path[0])) if problem.path else 0
            raise ClaimSyntaxError(problem.message, token.column + at, problem.hint) from None

    def request_metric(self, platform: str) -> Metric:
        """Read what follows ``platform.``: a phase perhaps, and a metric of requests or instances."""
        phase = None
        if self.next.text in PARTS_OF_TIME:
            phase = self.take().text
            self.expect(".")
        name = self.take()
        percent = self.percentile(name)
        if percent is not None:
            return Metric(platform, phase, "p", percent, TIME)
        known_name = SAME.get(name.text, name.text)
        if known_name in BY_REASON and phase is None and self.next.text == "[":
            reason = self.reason()
            return Metric(platform, None, known_name, 0.0, NONE, reason=reason)
        if known_name in UNITS and (known_name == "mean" or phase is None):
            return Metric(platform, phase, known_name, 0.0, UNITS[known_name])
        known = METRICS[:3] if phase else (*METRICS, *PARTS_OF_TIME, "objects")
        hint = did_you_mean(name.text, known) or f"expected {', '.join(METRICS)}"
        if phase == "object" and name.text in object_metric.QUANTITIES:
            hint = f"did you mean objects.{name.text}?"
        raise ClaimSyntaxError(f"there is no metric {quoted(name.text)}", name.column, hint)

    def reason(self) -> str:
        """Read why requests failed, in brackets."""
        column = self.next.column + 1
        reason = self.in_brackets() or ""
        if reason not in REASONS:
            hint = did_you_mean(reason, REASONS) or f"expected {', '.join(REASONS)}"
            raise ClaimSyntaxError(f"requests do not fail by {quoted(reason)}", column, hint)
        return reason

    def is_phase(self) -> bool:
        """Tell whether ``kv`` is the phase here: a percentile or the mean follows."""
        texts = [token.text for token in self.tokens[self.place + 1 : self.place + 3]]
        return len(texts) == 2 and texts[0] == "." and bool(PERCENTILE.fullmatch(texts[1]))

    def kv_metric(self, platform: str) -> KvMetric:
        """Read what follows ``platform.``: kv, a key space perhaps, and a metric of the store."""
        self.take()
        space = self.in_brackets()
        self.expect(".")
        name = self.take()
        if name.text in kv_metric.NUMBERS:
            return KvMetric(platform, space, name.text, "", 0.0, None, NONE)
        if name.text not in kv_metric.QUANTITIES:
            known = (*kv_metric.QUANTITIES, *kv_metric.NUMBERS)
            hint = did_you_mean(name.text, known) or f"expected {', '.join(known)}"
            message = f"there is no metric {quoted(name.text)} of a key-value store"
            raise ClaimSyntaxError(message, name.column, hint)
        if space is not None and name.text in ("write", "visibility"):
            message = f"{name.text} is not kept by key space"
            raise ClaimSyntaxError(message, name.column)
        self.expect(".")
        tier = None
        if name.text == "read" and self.next.text in kv_metric.READ_TIERS:
            tier = self.take().text
            self.expect(".")
            if space is not None:
                raise ClaimSyntaxError("tiers are not kept by key space", name.column)
        return self.kv_statistic(platform, space, name, tier)

    def kv_statistic(
        self, platform: str, space: str | None, name: Token, tier: str | None
    ) -> KvMetric:
        token = self.take()
        percent = self.percentile(token, most=100.0 if name.text == "visibility" else None)
        if percent is not None:
            return KvMetric(platform, space, name.text, "p", percent, tier, TIME)
        known = kv_metric.QUANTITIES[name.text]
        statistic = SAME.get(token.text, token.text)
        if statistic not in known:
            tiers = kv_metric.READ_TIERS if name.text == "read" and tier is None else ()
            hint = did_you_mean(token.text, ("p(95)", *known[1:], *tiers))
            message = f"{name.text} has no {quoted(token.text)}"
            raise ClaimSyntaxError(message, token.column, hint)
        return KvMetric(platform, space, name.text, statistic, 0.0, tier, TIME)

    def same_unit(self, left: Expression, right: Expression, column: int) -> None:
        if left.unit != right.unit:
            message = f"the units differ: {left.unit.words} and {right.unit.words}"
            hint = "times and sizes have units, such as 13ms and 128MB"
            raise ClaimSyntaxError(message, column, hint)
