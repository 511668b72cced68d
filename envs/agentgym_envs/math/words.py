"""Answers that are words: texts, numbers in words, options, times of day."""

from __future__ import annotations

import re

from flint import fmpq

from agentgym_envs.math.nodes import Node, Number, Symbol
from agentgym_envs.math.symbols import NUMBER_WORDS, SCALES

__all__ = [
    "canonical",
    "clock",
    "leading_number",
    "letters",
    "number_in_words",
    "option",
    "phrase",
    "plain_words",
    "same_words",
]

_STYLE = re.compile(
    r"\\(?:text(?:bf|it|rm|sf|tt|normal)?|math(?:rm|bf|it|sf|tt)|operatorname|mbox|boxed|emph)"
    r"(?![A-Za-z])"
)
_STYLED = re.compile(_STYLE.pattern + r" ?\{([^{}]*)\}")
_SYMBOLIC = re.compile(r"[\\^_=+*/<>|{}\[\]~]|[0-9]['\"]")
_JOINED = re.compile(r"(?<=[A-Za-z])-(?=[A-Za-z])")
_NOT_WORD = re.compile(r"[\s,;:!?'\"`$()]+|\.(?![0-9])")
_ARTICLES = frozenset({"a", "an", "the"})
_SAME: dict[str, str] = {
    text: name
    for name, texts in {
        "no solution": (
            "no solution|no solutions|none|there is no solution|there are no solutions"
            "|no real solution|no real solutions|no integer solutions|no real roots|has no solution"
            "|no solution exists|no solutions exist|solution does not exist|no such number"
            "|no such number exists|empty set|null set|emptyset|varnothing|impossible"
        ),
        "does not exist": (
            "does not exist|dne|doesnt exist|undefined|not defined|limit does not exist"
        ),
        "infinite": "infinity|positive infinity|plus infinity|oo|infty",
        "all real numbers": (
            "all real numbers|all reals|real numbers|all real x|all real number|reals"
            "|set of all real numbers|set of real numbers|any real number|every real number"
        ),
        "convergent": "convergent|converges|it converges|series converges",
        "divergent": "divergent|diverges|it diverges|series diverges",
        "infinitely many": (
            "infinitely many|infinitely many solutions|infinite solutions"
            "|infinite number of solutions"
        ),
    }.items()
    for text in texts.split("|")
}
_PHRASES: dict[str, Node] = {
    "no solution": Symbol("empty"),
    "all real numbers": Symbol("reals"),
    "infinite": Symbol("oo"),
}


def canonical(text: str) -> str:
    """Return words for comparison: no case, articles, punctuation or style.

    Signs and symbols stay: what holds any is compared as it is written, less its spaces.
    """
    plain = _STYLED.sub(r" \1 ", text)
    if _SYMBOLIC.search(plain):
        return re.sub(r"\s", "", plain)
    words = _NOT_WORD.sub(" ", _JOINED.sub(" ", plain)).casefold().split()
    kept = [word for word in words if word not in _ARTICLES] or words
    return " ".join(kept)


def plain_words(text: str) -> str:
    r"""Return a text without ``\text{}`` and the like, its spaces made single."""
    return re.sub(r"\s+", " ", _STYLED.sub(r" \1 ", text)).strip()


def phrase(text: str) -> Node | None:
    """Return what a set phrase stands for: "no solution" is the empty set."""
    name = _SAME.get(canonical(text))
    return _PHRASES.get(name) if name else None


def same_words(left: str, right: str) -> bool:
    """Say whether two texts are the same words."""
    a, b = canonical(left), canonical(right)
    if (date := _date(a)) is not None:
        return date == _date(b)
    a, b = _SAME.get(a, a), _SAME.get(b, b)
    return bool(a) and a == b


_MONTHS = [
    "january",
    "february",
    "march",
    "april",
    "may",
    "june",
    "july",
    "august",
    "september",
    "october",
    "november",
    "december",
]
_DATE = re.compile(
    r"(?P<day>[0-9]{1,2})(?:st|nd|rd|th)?(?: of)? (?P<month>[a-z]+)(?: (?P<year>[0-9]{4}))?"
    r"|(?P<month2>[a-z]+) (?P<day2>[0-9]{1,2})(?:st|nd|rd|th)?(?: (?P<year2>[0-9]{4}))?"
)


def _date(words: str) -> tuple[str, int, str | None] | None:
    match = _DATE.fullmatch(words)
    if match is None:
        return None
    month = match["month"] or match["month2"]
    if month not in _MONTHS:
        return None
    return month, int(match["day"] or match["day2"]), match["year"] or match["year2"]


def number_in_words(text: str) -> Number | None:
    """Return "twenty-one" and "two hundred and five" as numbers."""
    words = [word for word in canonical(text).split() if word != "and"]
    if words[1:] and (part := _PARTS.get(words[-1].removesuffix("s"))) is not None:
        top = number_in_words(" ".join(words[:-1]))
        if top is None or top.value.q != 1 or not 0 < abs(top.value) < 100:
            return None
        return Number(top.value / part)
    if words[:1] == ["half"] and len(words) == 1:
        return Number(fmpq(1, 2))
    negative = words[:1] in (["minus"], ["negative"])
    words = words[1:] if negative else words
    if not words or any(word not in NUMBER_WORDS and word not in SCALES for word in words):
        return None
    total, current = 0, 0
    for word in words:
        if word in NUMBER_WORDS:
            current += NUMBER_WORDS[word]
        elif word in ("hundred", "dozen"):
            current = max(1, current) * SCALES[word]
        else:
            total, current = total + max(1, current) * SCALES[word], 0
    value = total + current
    return Number(fmpq(-value if negative else value))


_PARTS = {
    "half": 2, "halve": 2, "third": 3, "quarter": 4, "fourth": 4, "fifth": 5, "sixth": 6,
    "seventh": 7, "eighth": 8, "ninth": 9, "tenth": 10, "twelfth": 12, "hundredth": 100,
}  # fmt: skip
_OPTION = re.compile(
    r"(?:(?:the )?(?:correct )?(?:answer|option|choice|letter|alternative)s?(?: is)?:? )?"
    r"[(\[]?([A-Ja-j])(?:[)\].:](?:\s.*)?|\s*[:,-]\s.*)?",
    re.DOTALL | re.IGNORECASE,
)
_PLAIN_OPTION = re.compile(r"\(?([A-J])(\)|\.|:)?|\(([a-j])\)")
_LETTERS = re.compile(r"\(?[A-J]\)?(?:(?: ?, ?(?:and )?| and | ?& ?|; ?)\(?[A-J]\)?)+")
_SEVERAL = re.compile(r"[A-F]{2,5}")
_ANOTHER = re.compile(r"\W*(?:not|and|or|but|also|minus)?\W*[A-Ja-j]\W*")
_HEDGED = re.compile(
    r"(?:,|\band\b|\bor\b|&|/|;|\bperhaps\b|\bmaybe\b)\W*(?:[a-z]+ )?\W*[A-Ja-j]\b"
)
_STANDING = re.compile(r"(?<![A-Za-z\\])[A-J](?![A-Za-z])")


def leading_number(text: str) -> tuple[Number, str] | None:
    """Split "forty percent" into its number and the rest."""
    words = canonical(text).split()
    for at in range(min(len(words) - 1, 12), 0, -1):
        number = number_in_words(" ".join(words[:at]))
        if number is not None:
            return number, " ".join(words[at:])
    return None


def _styled(text: str) -> str:
    return re.sub(r"\s+", " ", _STYLE.sub(" ", text).translate(_BRACES)).strip()


_BRACES = str.maketrans({"{": " ", "}": " ", "*": " ", "$": " ", "\\": " "})


def option(text: str, gold: bool = False) -> str | None:
    """Return the letter of a multiple-choice answer, upper case.

    Args:
        text: The answer.
        gold: Read strictly: a lone capital, or a letter in brackets, perhaps with its text.
    """
    styled = _styled(text)
    if gold:
        match = _PLAIN_OPTION.fullmatch(styled) or re.fullmatch(
            r"\(([A-J])\)\s.*|\(?([A-J])[).:]\s.*", styled, re.DOTALL
        )
        return next((g for g in match.groups() if g and g.isalpha()), "").upper() if match else None
    match = _OPTION.fullmatch(styled)
    if match is None:
        return None
    rest = styled[match.end(1) :]
    if match[1].islower() and match[1] not in "abcdef":
        return None
    if _ANOTHER.fullmatch(rest) or (_HEDGED.search(rest) and _STANDING.search(rest)):
        return None
    return match[1].upper()


def letters(text: str) -> frozenset[str] | None:
    """Return the letters of an answer such as ``A, C and D``."""
    styled = _styled(text)
    if _SEVERAL.fullmatch(styled) and list(styled) == sorted(set(styled)):
        return frozenset(styled)
    if not _LETTERS.fullmatch(styled):
        return None
    return frozenset(_STANDING.findall(styled))


_CLOCK = re.compile(
    r"(?:at )?([0-9]{1,2})(?::([0-9]{2}))?(?::([0-9]{2}))?\s*(?:([ap])\.? ?m\.?)?(?: ?o'?clock)?",
    re.IGNORECASE,
)


def clock(text: str) -> tuple[int, bool] | None:
    """Return a time of day as (seconds since midnight, whether the half of the day is said)."""
    styled = _styled(text).lower()
    if styled in ("noon", "12 noon", "midday"):
        return 12 * 3600, True
    if styled in ("midnight", "12 midnight"):
        return 0, True
    match = _CLOCK.fullmatch(styled)
    if match is None or not (match[2] or match[4]):
        return None
    hour, minute, second = int(match[1]), int(match[2] or 0), int(match[3] or 0)
    if minute > 59 or second > 59 or hour > (12 if match[4] else 23) or (match[4] and not hour):
        return None
    if match[4]:
        hour = hour % 12 + (12 if match[4] == "p" else 0)
    said = match[4] is not None or hour > 12 or hour == 0 or (len(match[1]) == 2 and hour < 10)
    return hour * 3600 + minute * 60 + second, said
