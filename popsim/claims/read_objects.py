"""Read what an expectation says about objects: ``objects[document].visible.edit.world.p(95)``."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace

from popsim.claims import object_metric
from popsim.claims.object_metric import ObjectMetric
from popsim.claims.tokens import PERCENTILE, SAME, ClaimSyntaxError, Reader, Token
from popsim.claims.unit import NONE, TIME
from popsim.engine.object_layout import SPREADS
from popsim.scenario.errors import did_you_mean
from popsim.scenario.text import quoted

NO_MESSAGES = "arrivals: {messages: {class: ..., rates: ...}}"


class ObjectReader(Reader):
    """The rules of what follows ``platform.objects``; ``messages`` are the kinds that participants send."""

    def __init__(self, text: str, messages: Collection[str]) -> None:
        super().__init__(text)
        self.messages = tuple(messages)

    def object_metric(self, platform: str) -> ObjectMetric:
        """Read what follows ``platform.``: objects, a class perhaps, and a metric of calls or objects."""
        self.take()
        object_class = self.in_brackets()
        self.expect(".")
        name = self.take()
        if name.text in object_metric.NUMBERS:
            return ObjectMetric(platform, object_class, name.text, "", 0.0, None, NONE)
        if name.text not in object_metric.QUANTITIES:
            known = (*object_metric.QUANTITIES, *object_metric.NUMBERS)
            hint = did_you_mean(name.text, known) or f"expected {', '.join(known)}"
            if PERCENTILE.fullmatch(name.text):
                hint = "the phase is called object; of calls, there is objects.call"
            raise ClaimSyntaxError(
                f"there is no metric {quoted(name.text)} of objects", name.column, hint
            )
        of = ObjectMetric(platform, object_class, name.text, "p", 50.0, None, NONE)
        if name.text in object_metric.OF_SESSIONS:
            of = self.of_sessions(of, name)
        else:
            self.expect(".")
        return self.object_statistic(of)

    def of_sessions(self, of: ObjectMetric, name: Token) -> ObjectMetric:
        """Read the kind of message and the spread, either or both of them, and the point that follows.

        A single word that could be either is the spread; in brackets it is the message.
        """
        message: str | None = None
        words: list[Token] = []
        if self.next.text == "[":
            message = self.message_in_brackets()
        self.expect(".")
        while len(words) < 2 - (message is not None) and self.is_qualifier():
            words.append(self.take())
            self.expect(".")
        if not words:
            return replace(of, message=message)
        *first, last = words
        for token in first:
            self.known_message(name.text, token, last)
            message = token.text
        if last.text in SPREADS:
            return replace(of, message=message, spread=last.text)
        if message is not None:
            self.unknown(f"{name.text} of {message}", last, SPREADS)
        self.known_message(name.text, last)
        return replace(of, message=last.text)

    def is_qualifier(self) -> bool:
        """Tell whether a message or a spread comes next: a word before a point, or a known one before anything."""
        texts = [token.text for token in self.tokens[self.place + 1 : self.place + 2]]
        is_statistic = self.next.text in object_metric.STATISTICS or bool(
            PERCENTILE.fullmatch(self.next.text)
        )
        is_known = self.next.text in (*SPREADS, *self.messages) and not is_statistic
        return self.next.kind == "name" and (texts == ["."] or is_known)

    def message_in_brackets(self) -> str:
        """Read a message in brackets, where nothing else can be."""
        token = self.tokens[min(self.place + 1, len(self.tokens) - 1)]
        message = self.in_brackets()
        assert message is not None
        if message not in self.messages:
            hint = did_you_mean(message, self.messages) or f"known: {', '.join(self.messages)}"
            raise ClaimSyntaxError(
                f"participants send no message {quoted(message)}",
                token.column,
                hint if self.messages else NO_MESSAGES,
            )
        return message

    def known_message(self, name: str, token: Token, spread: Token | None = None) -> None:
        """Refuse a message that nobody sends."""
        if token.text in self.messages:
            return
        if spread is not None and token.text in SPREADS and spread.text in self.messages:
            hint = f"did you mean {name}.{spread.text}.{token.text}?"
            message = "the message comes before the spread"
            raise ClaimSyntaxError(message, token.column, hint)
        self.unknown(name, token, (*self.messages, *(SPREADS if spread is None else ())))

    def unknown(self, name: str, token: Token, known: Collection[str]) -> None:
        """Refuse a word that is neither a statistic nor one of those that are known."""
        statistics = ("p(95)", *object_metric.QUANTITIES["visible"][1:])
        close = did_you_mean(token.text, (*statistics, *known))
        hint = close or f"known: {', '.join((*statistics, *known))}"
        raise ClaimSyntaxError(f"{name} has no {quoted(token.text)}", token.column, hint)

    def object_statistic(self, of: ObjectMetric) -> ObjectMetric:
        """Read what is asked of a metric: a percentile, the mean, the most."""
        token = self.take()
        of = replace(of, unit=NONE if of.name in object_metric.LENGTHS else TIME)
        percent = self.percentile(token)
        if percent is not None:
            return replace(of, percent=percent)
        known = object_metric.QUANTITIES[of.name]
        statistic = SAME.get(token.text, token.text)
        if statistic not in known:
            more: tuple[str, ...] = ()
            if of.name in object_metric.OF_SESSIONS and of.spread is None:
                more = SPREADS if of.message is not None else (*self.messages, *SPREADS)
            hint = did_you_mean(token.text, ("p(95)", *known[1:], *more))
            raise ClaimSyntaxError(f"{of.name} has no {quoted(token.text)}", token.column, hint)
        return replace(of, statistic=statistic, percent=0.0)
