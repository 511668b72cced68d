"""Families of programming tasks about texts."""

from __future__ import annotations

import random

from agentgym_envs.python.code_family import Family, Parameters, text_of, word

__all__ = ["TEXT_FAMILIES"]

LOWER = "abcdefghijklmnopqrstuvwxyz"


def _nested(rng: random.Random, p: Parameters) -> tuple[str]:
    """Draw a text with brackets, more often balanced than not."""
    parts, depth = [], 0
    for _ in range(rng.randint(0, 14)):
        step = rng.choice(["open", "close", "letter"])
        if step == "close" and (depth or rng.random() < 0.1):
            parts.append(p["close"])
            depth -= 1
        elif step == "open":
            parts.append(p["open"])
            depth += 1
        else:
            parts.append(rng.choice("xyz"))
    return ("".join(parts) + p["close"] * (depth if rng.random() < 0.8 else 0),)


def _pairs(rng: random.Random, p: Parameters) -> tuple[str]:
    keys = word(rng, "abcde", 7, 0)
    return (p["comma"].join(f"{key}{p['equals']}{rng.randint(-20, 99)}" for key in keys),)


_SHIFT = Family(
    "shift_letters",
    "Return `text` with each letter a-z moved $k places forward in the alphabet and each letter "
    "A-Z moved $m places, going on from the other end; other characters stay as they are.",
    lambda rng: {"k": rng.randint(1, 25), "m": rng.randint(1, 25)},
    """
def shift_letters(text):
    def moved(c):
        if 'a' <= c <= 'z':
            return chr((ord(c) - 97 + $k) % 26 + 97)
        if 'A' <= c <= 'Z':
            return chr((ord(c) - 65 + $m) % 26 + 65)
        return c

    return ''.join(moved(c) for c in text)
""",
    lambda rng, p: (text_of(rng, LOWER + LOWER.upper() + "19.,!"),),
)
_COUNT_WORDS = Family(
    "count_words",
    "Return how many words of `text`, which has one space between words, have at least $least "
    "letters and hold the letter '$c' or end with the letter '$e'. An empty text has no words.",
    lambda rng: {"least": rng.randint(2, 5), "c": rng.choice("abcde"), "e": rng.choice("abcde")},
    """
def count_words(text):
    words = [word for word in text.split() if len(word) >= $least]
    return sum(1 for word in words if $c in word or word.endswith($e))
""",
    lambda rng, p: (text_of(rng, "abcdefg", 14),),
)
_REPLACE = Family(
    "replace_letters",
    "Return `text` with each '$a' replaced by '$x' and each '$b' by '$y', both at once, and then "
    "reversed.",
    lambda rng: {
        **dict(zip("ab", rng.sample("abcdef", 2), strict=True)),
        **dict(zip("xy", rng.sample("abcdef", 2), strict=True)),
    },
    """
def replace_letters(text):
    return text.translate(str.maketrans({$a: $x, $b: $y}))[::-1]
""",
    lambda rng, p: (word(rng, "abcdefgh", 16, 0),),
)
_RUNS = Family(
    "shorten_runs",
    "Return `text`, which has only letters, with each longest run of at least $k equal letters "
    "replaced by the letter, the text '$mark' and the length of the run; shorter runs stay.",
    lambda rng: {"k": rng.randint(2, 5), "mark": word(rng, ":-_*+", 3)},
    """
def shorten_runs(text):
    from itertools import groupby

    runs = [(letter, len(list(group))) for letter, group in groupby(text)]
    return ''.join(c + $mark + str(n) if n >= $k else c * n for c, n in runs)
""",
    lambda rng, p: ("".join(c * rng.randint(1, 7) for c in word(rng, "ab", 8, 0)),),
)
_DEPTH = Family(
    "bracket_depth",
    "In `text`, '$open' opens a bracket and '$close' closes one. Return how deeply they are nested "
    "at most, or $bad if they do not match: one closes that was not open, or one stays open.",
    lambda rng: {
        **dict(zip(("open", "close"), rng.sample("()[]{}<>/", 2), strict=True)),
        "bad": -rng.randint(1, 9),
    },
    """
def bracket_depth(text):
    depth = deepest = 0
    for c in text:
        depth += (c == $open) - (c == $close)
        if depth < 0:
            return $bad
        deepest = max(deepest, depth)
    return deepest if depth == 0 else $bad
""",
    _nested,
)
_PARSE = Family(
    "parse_pairs",
    "`text` holds pairs like a${equals}5, where the value is an integer, with '$comma' between "
    "pairs. Return a dictionary from each key to the sum of its values, without the keys whose "
    "sum is below $least. An empty text holds no pairs.",
    lambda rng: {
        **dict(zip(("equals", "comma"), rng.sample("=:;,|/&", 2), strict=True)),
        "least": rng.randint(-9, 60),
    },
    """
def parse_pairs(text):
    sums = {}
    for pair in text.split($comma) if text else []:
        key, value = pair.split($equals)
        sums[key] = sums.get(key, 0) + int(value)
    return {key: total for key, total in sums.items() if total >= $least}
""",
    _pairs,
)
_WRAP = Family(
    "wrap_words",
    "Fill lines with the words of `text`, which has one space between words: a word goes on the "
    "line, after a space, if the line then has at most $width characters, else on a new line; a "
    "longer word has a line of its own. Return the list of lines, each filled up with '$fill' on "
    "the right to $width characters.",
    lambda rng: {"width": rng.randint(6, 24), "fill": rng.choice(".-_*+~")},
    """
def wrap_words(text):
    lines = []
    for word in text.split():
        if lines and len(lines[-1]) + 1 + len(word) <= $width:
            lines[-1] += ' ' + word
        else:
            lines.append(word)
    return [line.ljust($width, $fill) for line in lines]
""",
    lambda rng, p: (text_of(rng, "abcdef", 14),),
)

TEXT_FAMILIES: tuple[Family, ...] = (
    _SHIFT,
    _COUNT_WORDS,
    _REPLACE,
    _RUNS,
    _DEPTH,
    _PARSE,
    _WRAP,
)
