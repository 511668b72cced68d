r"""Whether an answer says the same as the gold: total, exact, and never by running anything.

Both texts are read into trees (`parser`), the gold's form decides what kind of answer is wanted,
and the first rule of that kind decides: equal form, exact rationals, ball arithmetic, sets of
reals, truth tables, units, words. What cannot be read is compared as words. What is not shown to
be equal is not equal.

Left out: integrals, limits and sums as answers, recurrences, and sets of integers other than by
their spelling.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

from flint import fmpq

from agentgym_envs.math.answers import nodes_equal
from agentgym_envs.math.cleaning import clean
from agentgym_envs.math.lexer import Token, tokenise
from agentgym_envs.math.nodes import Apply, Node, Number, Relation, TooLarge, Unreadable
from agentgym_envs.math.parser import parse_tokens
from agentgym_envs.math.stack import with_a_fresh_stack
from agentgym_envs.math.units import Quantity, factor, quantity, same_unit
from agentgym_envs.math.values import OutOfTime, deadline
from agentgym_envs.math.words import (
    clock,
    leading_number,
    letters,
    number_in_words,
    option,
    phrase,
    plain_words,
    same_words,
)

__all__ = ["Decision", "decide", "equivalent"]

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


_NAN = re.compile(r"(?<![A-Za-z])nan(?![A-Za-z])", re.IGNORECASE)


_COMMA_DECIMAL = re.compile(r"-?(?![0-9]{1,3},[0-9]{3}$)[0-9]+,[0-9]+")


_LABELLED = re.compile(r"(?:\\text(?:bf|rm)?\{)? ?\([A-E]\)[.:]? ?\}? ?([^A-Za-z].*)", re.DOTALL)
_DOMAIN = re.compile(
    r"[,;]? ?(?:\\text\{ ?)?\b(?:for|where|with) (?:any|all|some|every|each|arbitrary)\b.*$",
    re.DOTALL,
)
_EXCEPT = re.compile(
    r"(?:the set of )?all real (?:numbers|x|values)(?: of x)?,?"
    r" (?:except|other than|but|excluding)(?: for)? (?:x ?(?:=|\\ne) ?)?(.+)"
)
_GROUPED = re.compile(r"[0-9],[0-9]{3}(?![0-9])")


@dataclass(frozen=True, slots=True)
class Decision:
    """What `decide` found.

    Attributes:
        equal: Whether the answer is right.
        rule: What decided, in words.
    """

    equal: bool
    rule: str


@dataclass(frozen=True, slots=True)
class _Reading:
    text: str
    node: Node | None
    quantity: Quantity | None
    about: bool
    label: str = ""  # what the answer is said to be: "area" of "Area = 5"


def equivalent(answer: str, gold: str, timeout_s: float = 2.0) -> bool:
    """Say whether an answer, without its box, equals the gold; see `decide`."""
    return decide(answer, gold, timeout_s).equal


def decide(answer: str, gold: str, timeout_s: float = 2.0) -> Decision:
    """Compare an answer with the gold.

    Args:
        answer: What the response gives, without its box.
        gold: What is right; it decides what kind of answer is wanted.
        timeout_s: Most seconds of arithmetic. The limits on sizes keep far below it.

    Returns:
        Whether they are equal, and the rule that decided. It never raises.
    """
    return with_a_fresh_stack(
        lambda: _bounded(answer, gold, timeout_s), Decision(False, "too large: nested too deeply")
    )


def _bounded(answer: str, gold: str, timeout_s: float) -> Decision:
    try:
        with deadline(timeout_s):
            return _decide(answer, gold)
    except TooLarge as error:
        return Decision(False, f"too large: {error}")
    except OutOfTime:
        return Decision(False, f"not decided within {timeout_s:g} s")
    except (Unreadable, ArithmeticError, OverflowError) as error:
        return Decision(False, f"not comparable: {error}")


def _decide(answer: str, gold: str) -> Decision:
    answer, gold = clean(answer), clean(gold)
    if not answer or not gold:
        return Decision(False, "an empty answer")
    if _NAN.search(answer) or _NAN.search(gold):
        return Decision(False, "NaN equals nothing")
    if answer == gold:
        return Decision(True, "the same text")
    for rule in (_options, _clocks):
        if (decision := rule(answer, gold)) is not None:
            return decision
    return _readings(answer, gold)


def _readings(answer: str, gold: str) -> Decision:
    wanted = _read(gold)
    for text in _spellings(answer, wanted):
        given = _read(text)
        if (rule := _equal(given, wanted)) is not None:
            return Decision(True, rule)
    if _GROUPED.search(gold) and (rule := _equal(_read(answer), _read(_listed(gold)))) is not None:
        return Decision(True, rule)
    if same_words(answer, gold) and (wanted.node is None or _read(answer).node is None):
        return Decision(True, "the same words")
    unread = [] if _read(answer).node or _read(answer).quantity else ["answer"]
    if unread:
        return Decision(False, "not the same words, and the answer cannot be read as mathematics")
    return Decision(False, "not shown to be equal")


def _spellings(answer: str, wanted: _Reading) -> Iterator[str]:
    """Yield the answer, and what else its commas could mean."""
    yield answer
    decimal = isinstance(wanted.node, Number) and wanted.node.place is not None
    if decimal and _COMMA_DECIMAL.fullmatch(answer):
        yield answer.replace(",", ".")
    if _GROUPED.search(answer):
        yield _listed(answer)
    if (labelled := _LABELLED.fullmatch(answer)) is not None:
        yield labelled[1]


def _listed(text: str) -> str:
    return re.sub(r",(?=[0-9]{3})", ", ", text)


def _equal(given: _Reading, wanted: _Reading) -> str | None:
    if given.label and wanted.label and given.label != wanted.label:
        return None
    if given.quantity is not None and wanted.quantity is not None:
        return _same_quantity(given.quantity, wanted.quantity, wanted.about)
    if given.node is not None and wanted.node is not None:
        rule = nodes_equal(wanted.node, given.node, wanted.about)
        if rule is not None:
            return rule
    other_unit = [isinstance(r.node, Apply) and r.node.op in ("%", "deg", "rad")
                  for r in (given, wanted)]  # fmt: skip
    if wanted.quantity is not None and given.node is not None and not other_unit[0]:
        rule = nodes_equal(wanted.quantity.amount, given.node, wanted.about)
        return rule and f"{rule}, the unit left out"
    if given.quantity is not None and wanted.node is not None and not other_unit[1]:
        rule = nodes_equal(wanted.node, given.quantity.amount, wanted.about)
        return rule and f"{rule}, with its unit"
    return None


def _same_quantity(given: Quantity, wanted: Quantity, about: bool) -> str | None:
    if same_unit(given.unit, wanted.unit):
        return nodes_equal(wanted.amount, given.amount, about)
    if not given.unit.powers or not wanted.unit.powers:  # "2 million" beside "2 million dollars"
        return nodes_equal(wanted.amount, given.amount, about)
    share = factor(given.unit, wanted.unit)
    if share is None:
        return None
    scaled = Apply("*", (given.amount, Number(fmpq(share.numerator, share.denominator))))
    rule = nodes_equal(wanted.amount, scaled, about)
    return rule and f"{rule}, units converted"


def _options(answer: str, gold: str) -> Decision | None:
    if (wanted := option(gold, gold=True)) is not None:
        given = option(answer)
        if given is not None:
            return Decision(given == wanted, f"option {given}, wanted {wanted}")
        return None
    if (several := letters(gold)) is not None:
        chosen = letters(answer)
        if chosen is not None:
            return Decision(chosen == several, "the set of options")
    return None


def _clocks(answer: str, gold: str) -> Decision | None:
    wanted, given = clock(gold), clock(answer)
    if wanted is None or given is None:
        return None
    if not (
        "m" in (answer + gold).lower() or "o'clock" in (answer + gold) or wanted[1] or given[1]
    ):
        return None  # 2:30 beside 2:30 may be a ratio
    same = wanted[0] == given[0]
    if wanted[1] != given[1]:  # one does not say which half of the day
        same = wanted[0] % 43_200 == given[0] % 43_200
    return Decision(same, "the time of day")


def _read(text: str) -> _Reading:
    """Read a cleaned text as mathematics, as a quantity, or as neither."""
    return _read_again(text) if len(text) <= MAX_KEPT else _read_now(text)


@lru_cache(maxsize=1_024)
def _read_again(text: str) -> _Reading:
    return _read_now(text)


def _read_now(text: str) -> _Reading:
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
        return _Reading(text, known, None, about)
    if (spelled := leading_number(stripped)) is not None:
        value, rest = spelled
        top, bottom = value.value.p, value.value.q
        stripped = f"{top} {rest}" if bottom == 1 else rf"\frac{{{top}}}{{{bottom}}} {rest}"
    if _is_word(stripped):
        return _Reading(text, None, None, about)
    try:
        tokens = tokenise(stripped)
    except TooLarge:
        raise
    except Unreadable:
        return _Reading(text, None, None, about)
    named = _after_name(tokens)
    node = _node(tokens)
    label = "" if node or not named else _label(tokens[: len(tokens) - len(named)])
    node = node or _node(named)
    measured = quantity(tokens) or quantity(named) or quantity(_after_letter(tokens))
    if measured is not None and measured.unit.sure:
        node = None
    if isinstance(node, Relation) and "approx" in node.ops:
        about = True
    return _Reading(text, node, measured, about, label)


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
