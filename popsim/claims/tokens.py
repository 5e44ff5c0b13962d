"""Cut expectations into tokens, and read these one after the other."""

from __future__ import annotations

import re
from dataclasses import dataclass

from popsim.scenario.text import quoted

MOST_TOKENS = 500
DEEPEST = 50  # parentheses within parentheses
SAME = {"avg": "mean"}  # med is p(50)
PERCENTILE = re.compile(r"p|p\d+|mean|med|avg")
TOKEN = re.compile(
    r"\s*(?:(?P<number>\d+\.?\d*(?:[eE][-+]?\d+)?|\.\d+)(?P<unit>[A-Za-zµ%]*)"
    r"|(?P<name>[A-Za-z_]\w*)|(?P<symbol><=|>=|<|>|[-+*/().\[\]])"
    r"|(?P<selector>\{(?:[^{}]|\{(?:[^{}]|\{[^{}]*\})*\})*\}))"  # places within any within any
)


class ClaimSyntaxError(ValueError):
    """An expectation cannot be read; ``column`` is the place of the mistake, from 0."""

    def __init__(self, message: str, column: int, hint: str | None = None) -> None:
        super().__init__(message)
        self.column, self.hint = column, hint


@dataclass(frozen=True)
class Token:
    """A piece of an expectation."""

    kind: str
    text: str
    column: int
    unit: str = ""


class Reader:
    """The tokens of an expectation, and what all rules read alike."""

    def __init__(self, text: str) -> None:
        self.tokens = _tokens(text)
        self.end = Token("end", "the end", len(text))
        self.place = self.depth = 0

    @property
    def next(self) -> Token:
        """The token that comes next; at the end, one of kind ``end``."""
        return self.tokens[self.place] if self.place < len(self.tokens) else self.end

    def take(self) -> Token:
        """Return the next token, and go on."""
        token = self.next
        self.place += 1
        return token

    def accept(self, *texts: str) -> Token | None:
        """Take the next token if it is one of these."""
        return self.take() if self.next.text in texts else None

    def expect(self, text: str) -> Token:
        """Take the next token, which must be this."""
        if self.next.text != text:
            raise self.wrong(f"expected {quoted(text)}, got {quoted(self.next.text)}")
        return self.take()

    def opens(self) -> bool:
        """Take a parenthesis that opens, if there is one, and refuse it inside too many; see ``closes``."""
        if self.next.text != "(":
            return False
        if self.depth == DEEPEST:
            raise self.wrong(f"parentheses are nested more than {DEEPEST} deep")
        self.depth += 1
        self.take()
        return True

    def closes(self) -> None:
        """Take the parenthesis that closes."""
        self.expect(")")
        self.depth -= 1

    def wrong(self, message: str, hint: str | None = None) -> ClaimSyntaxError:
        """Return an error at the next token."""
        return ClaimSyntaxError(message, self.next.column, hint)

    def in_brackets(self) -> str | None:
        """Read a name in brackets, if there is one."""
        if self.accept("[") is None:
            return None
        name = self.take().text
        self.expect("]")
        return name

    def percentile(self, name: Token, most: float | None = None) -> float | None:
        """Read the rest of ``p(95)`` or ``p95``; None if the name is neither."""
        if name.text == "med":
            return 50.0
        if name.text == "p":
            self.expect("(")
            percent = self.percent(self.take(), most=most)
            self.expect(")")
            return percent
        if re.fullmatch(r"p\d+", name.text):
            return self.percent(name, name.text[1:], most)
        return None

    def percent(self, token: Token, text: str | None = None, most: float | None = None) -> float:
        """Read a number between 0 and 100; ``most`` is allowed, too."""
        try:
            value = float(text or token.text)
        except ValueError:
            value = -1.0
        if token.unit or not (0.0 < value < 100.0 or value == most):
            message = (
                f"expected a percentile between 0 and 100, got {quoted(token.text + token.unit)}"
            )
            raise ClaimSyntaxError(message, token.column)
        return value


def _tokens(text: str) -> list[Token]:
    tokens: list[Token] = []
    place = 0
    while place < len(text.rstrip()):
        match = TOKEN.match(text, place)
        if match is None:
            column = place + len(text[place:]) - len(text[place:].lstrip())
            raise ClaimSyntaxError(f"unexpected {quoted(text[column])}", column)
        kind = "number" if match["number"] is not None else str(match.lastgroup)
        start = match.start(kind)
        if len(tokens) == MOST_TOKENS:
            message = f"expected at most {MOST_TOKENS} names, numbers and symbols"
            raise ClaimSyntaxError(message, start, "write several expectations")
        tokens.append(Token(kind, match[kind], start, match["unit"] or ""))
        place = match.end()
    return tokens
