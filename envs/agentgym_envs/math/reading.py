"""What a cleaned text is read as: mathematics, a quantity, or neither."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

from agentgym_envs.math.lexer import Token, tokenise
from agentgym_envs.math.nodes import Node, Relation, TooLarge, Unreadable
from agentgym_envs.math.parser import parse_tokens
from agentgym_envs.math.units import Quantity, quantity
from agentgym_envs.math.words import leading_number, number_in_words, phrase, plain_words

__all__ = ["MAX_KEPT", "MAX_REMARK", "Reading", "read"]

_ABOUT = re.compile(
    r"(?:approximately|about|roughly|around|nearly|circa|ca\.|approx\.?|\\approx|\\sim|~|=|:|is)\s*"
    r"(?=\S)",
    re.IGNORECASE,
)


_DIGITS_SAID = r"(?:[0-9]+|one|two|three|four|five|six|a|the|nearest|whole)"


MAX_KEPT = 400  # characters of a text whose reading is remembered


MAX_REMARK = 120  # characters of a remark on rounding


_ROUNDED = re.compile(
    r"[ ,;]*(?:\\text ?\{ ?)?\(? ?(?:(?:when |if )?(?:rounded|correct|accurate)\b[^()=]{0,60}"
    rf"|to (?:{_DIGITS_SAID} ){{1,3}}(?:decimal|significant|d\.?p|s\.?f|sig|tenth|hundredth|integer"
    rf"|whole)[^()=]{{0,30}}|(?:{_DIGITS_SAID} )(?:d\.?p|s\.?f|decimal|significant)[^()=]{{0,30}}"
    r"|\(? ?approx(?:imately|\.)? ?)\)? ?\}?$",
    re.IGNORECASE,
)


_DOMAIN = re.compile(
    r"[,;]? ?(?:\\text\{ ?)?\b(?:for|where|with) (?:any|all|some|every|each|arbitrary)\b.*$",
    re.DOTALL,
)


_EXCEPT = re.compile(
    r"(?:the set of )?all real (?:numbers|x|values)(?: of x)?,?"
    r" (?:except|other than|but|excluding)(?: for)? (?:x ?(?:=|\\ne) ?)?(.+)"
)


@dataclass(frozen=True, slots=True)
class Reading:
    """What a text can be taken for.

    Attributes:
        text: The text, cleaned.
        node: It as mathematics, if it is any.
        quantity: It as an amount of a unit, if it is one.
        about: Whether it says that it is rounded.
        label: What it is said to be: "area" of ``Area = 5``.
    """

    text: str
    node: Node | None
    quantity: Quantity | None
    about: bool
    label: str = ""


def read(text: str) -> Reading:
    """Read a cleaned text as mathematics, as a quantity, or as neither."""
    return _read_again(text) if len(text) <= MAX_KEPT else _read_now(text)


@lru_cache(maxsize=1_024)
def _read_again(text: str) -> Reading:
    return _read_now(text)


def _read_now(text: str) -> Reading:
    stripped = text[:-MAX_REMARK] + _ROUNDED.sub("", text[-MAX_REMARK:])
    about = stripped != text
    stripped = _DOMAIN.sub("", stripped) or stripped
    if (excluded := _EXCEPT.fullmatch(plain_words(stripped))) is not None:
        points = excluded[1].replace(" and ", ", ")
        stripped = rf"\mathbb{{R}} \setminus \{{{points}\}}"
    while (match := _ABOUT.match(stripped)) is not None:
        about = about or match[0].strip() not in ("=", ":", "is")
        stripped = stripped[match.end() :]
    if (known := phrase(stripped) or number_in_words(stripped)) is not None:
        return Reading(text, known, None, about)
    if (spelled := leading_number(stripped)) is not None:
        value, rest = spelled
        top, bottom = value.value.p, value.value.q
        stripped = f"{top} {rest}" if bottom == 1 else rf"\frac{{{top}}}{{{bottom}}} {rest}"
    if _is_word(stripped):
        return Reading(text, None, None, about)
    try:
        tokens = tokenise(stripped)
    except TooLarge:
        raise
    except Unreadable:
        return Reading(text, None, None, about)
    named = _after_name(tokens)
    node = _node(tokens)
    label = "" if node or not named else _label(tokens[: len(tokens) - len(named)])
    node = node or _node(named)
    measured = quantity(tokens) or quantity(named) or quantity(_after_letter(tokens))
    if measured is not None and measured.unit.sure:
        node = None
    if isinstance(node, Relation) and "approx" in node.ops:
        about = True
    return Reading(text, node, measured, about, label)


def _is_word(text: str) -> bool:
    """Tell "cat" and "Yes" from products such as ``xy``, ``abc`` and from names such as ``AB``."""
    letters = text.lower()
    if not (2 <= len(text) <= 3 and text.isascii() and text.isalpha()) or text.isupper():
        return False
    if letters in ("pi", "oo", "inf", "phi", "eta", "chi", "psi", "rho", "tau"):
        return False
    return not any(
        set(letters) <= set(group) for group in ("uvwxyz", "abcd", "mnpqr", "rst", "kmn")
    )


def _label(tokens: list[Token]) -> str:
    """Return the words left of an equals sign, as far as they name something."""
    words = [token.source.strip("\\ ").lower() for token in tokens[:-1]]
    return " ".join(word for word in words if word.isalnum() and word not in _FILLERS)


_FILLERS = frozenset(
    [
        "the",
        "a",
        "an",
        "of",
        "is",
        "are",
        "at",
        "equal",
        "to",
        "answer",
        "final",
        "result",
        "total",
        "value",
        "so",
    ]
)


def _after_letter(tokens: list[Token]) -> list[Token]:
    """Return the value of ``v = 5 m/s``."""
    named = len(tokens) > 2 and tokens[0].kind == "name" and tokens[1].text in ("=", "approx")
    return tokens[2:] if named else []


def _node(tokens: list[Token]) -> Node | None:
    if not tokens:
        return None
    try:
        return parse_tokens(tokens)
    except TooLarge:
        raise
    except Unreadable:
        return None


_NAMING = frozenset(
    [
        "angle",
        "of",
        "(",
        ")",
        "|",
        "in",
        "_",
        "{",
        "}",
        "/",
        "triangle",
        "det",
        "dim",
        "rank",
        "deg",
        "overline",
    ]
)


_UNEVALUATED = frozenset({"lim", "int", "oint", "sum", "prod", "cdots", "ldots", "dots"})


def _after_name(tokens: list[Token]) -> list[Token]:
    r"""Drop ``Area =``, ``\angle ABC =`` and the like: words before one equals sign."""
    for at, token in enumerate(tokens):
        if token.text in ("=", "approx", ":") and token.kind == "op":
            if any(t.text in _UNEVALUATED for t in tokens[:at]):
                return _after_last_equals(tokens)
            named = all(t.kind in ("word", "run", "name") or t.text in _NAMING for t in tokens[:at])
            has_word = any(t.kind in ("word", "run", "cmd", "op") for t in tokens[:at])
            if not named or not has_word:
                return []
            rest = tokens[at + 1 :]
            return [] if any(t.text == "=" for t in rest) else rest
        if token.kind in ("word", "run") and token.text.lower() in ("is", "are", "equals") and at:
            rest = tokens[at + 1 :]
            while rest and rest[0].source.lower() in ("at", "equal", "to", "the", "point"):
                rest = rest[1:]
            return rest if all(t.kind in ("word", "run", "name") for t in tokens[:at]) else []
    return []


def _after_last_equals(tokens: list[Token]) -> list[Token]:
    """What cannot be evaluated here may say its value itself."""
    last = max(at for at, token in enumerate(tokens) if token.text in ("=", "approx"))
    return tokens[last + 1 :]
