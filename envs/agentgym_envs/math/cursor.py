"""Where the parser stands in its tokens."""

from __future__ import annotations

from dataclasses import replace

from agentgym_envs.math.lexer import Token
from agentgym_envs.math.nodes import Unreadable

__all__ = ["Cursor"]


class Cursor:
    """Looks at tokens one by one, and remembers what encloses the place."""

    def __init__(self, tokens: list[Token]) -> None:
        self.tokens = [part for token in tokens for part in _letters(token)]
        self.at = 0
        self.depth = 0
        self.bars = 0  # open absolute values
        self.no_bar = False  # inside set braces a bar means "such that"
        self.angles = 0  # open vectors <1, 2>
        self.retries = 0
        self.french = False  # inside ]a, b[ a bracket opens nothing

    def peek(self, ahead: int = 0) -> Token | None:
        """Return the next token without moving."""
        at = self.at + ahead
        return self.tokens[at] if at < len(self.tokens) else None

    def next_is(self, *texts: str, ahead: int = 0) -> bool:
        """Say whether an operator or a command stands here."""
        token = self.peek(ahead)
        return token is not None and token.kind in ("op", "cmd") and token.text in texts

    def accept(self, *texts: str) -> str | None:
        """Move past one of some operators, if it stands here."""
        if self.next_is(*texts):
            self.at += 1
            return self.tokens[self.at - 1].text
        return None

    def expect(self, *texts: str) -> str:
        """Move past one of some operators, which must stand here."""
        found = self.accept(*texts)
        if found is None:
            raise Unreadable(f"expected {' or '.join(texts)}, found {self.peek()!r}")
        return found

    def take(self) -> Token:
        """Return the next token and move past it."""
        token = self.peek()
        if token is None:
            raise Unreadable("the text ends too early")
        self.at += 1
        return token


def _letters(token: Token) -> list[Token]:
    """``xy`` is a product, ``AB`` one name."""
    if token.kind != "run":
        return [token]
    if token.text.isupper():
        return [replace(token, kind="name")]
    return [
        replace(token, kind="name", text=letter, spaced=token.spaced and not at)
        for at, letter in enumerate(token.text)
    ]
