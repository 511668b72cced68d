"""Families of programming tasks about lists and dictionaries."""

from __future__ import annotations

import random
from typing import Any

from agentgym_envs.python.code_family import Family, Parameters, integers, word

__all__ = ["LIST_FAMILIES"]


def _numbers(rng: random.Random, p: Parameters) -> tuple[Any, ...]:
    return (integers(rng, -99, 99),)


def _walk(rng: random.Random, p: Parameters) -> tuple[Any, ...]:
    """Draw numbers of which some neighbours are near, some just too far."""
    at, numbers = 0, []
    for _ in range(rng.randint(0, 14)):
        at += rng.choice([1, -1]) * (p["k"] + rng.choice([0, 0, 0, 1, -1, -p["k"]]))
        numbers.append(at)
    return (numbers,)


def _spans(rng: random.Random, p: Parameters) -> tuple[Any, ...]:
    """Draw intervals, some of them just as far apart as counts."""
    spans, at = [], rng.randint(-20, 20)
    for _ in range(rng.randint(0, 7)):
        end = at + rng.randint(0, 13)
        spans.append([at, end])
        at = end + rng.choice([p["k"], p["k"] + 1, -5, rng.randint(0, 40)])
    rng.shuffle(spans)
    return (spans,)


_CLAMP = Family(
    "clamped_sum",
    "Return the sum of the integers in `numbers`, where one below $low counts as $low and one "
    "above $high counts as $high.",
    lambda rng: {"low": rng.randint(-60, -1), "high": rng.randint(1, 60)},
    """
def clamped_sum(numbers):
    return sum(min(max(n, $low), $high) for n in numbers)
""",
    _numbers,
)
_ROTATE = Family(
    "rotate",
    "Return a new list: the items of `items` moved $k places to the $side, where those that leave "
    "at one end come in again at the other; then without the items that are equal to $x.",
    lambda rng: {
        "k": rng.randint(1, 50),
        "side": rng.choice(["left", "right"]),
        "x": rng.randint(-4, 4),
    },
    """
def rotate(items):
    k = $k if $side == 'left' else -$k
    k = k % len(items) if items else 0
    return [item for item in items[k:] + items[:k] if item != $x]
""",
    lambda rng, p: (integers(rng, -5, 5, 11),),
)
_EVERY = Family(
    "every_kth",
    "Return every $step-th item of the list `items` as a tuple, beginning with the item of index "
    "$start, each multiplied by $factor.",
    lambda rng: {
        "start": rng.randint(0, 5),
        "step": rng.randint(2, 7),
        "factor": rng.randint(2, 12),
    },
    """
def every_kth(items):
    return tuple(item * $factor for item in items[$start::$step])
""",
    lambda rng, p: (integers(rng, -99, 99, 25),),
)
_LONGEST = Family(
    "longest_stretch",
    "Return the length of the longest stretch of the list `numbers` in which each two neighbours "
    "differ by at most $k; 0 for an empty list.",
    lambda rng: {"k": rng.randint(1, 400)},
    """
def longest_stretch(numbers):
    best = run = 0
    for at, n in enumerate(numbers):
        run = run + 1 if at and abs(n - numbers[at - 1]) <= $k else 1
        best = max(best, run)
    return best
""",
    _walk,
)
_WINDOWS = Family(
    "windows",
    "Return the list of the $what of each $k consecutive items of `numbers`, starting at the "
    "indices 0, $step, 2 * $step and so on, as long as there are $k items.",
    lambda rng: {
        "k": rng.randint(2, 7),
        "step": rng.randint(1, 6),
        "what": rng.choice(["sum", "smallest", "largest", "spread (largest minus smallest)"]),
    },
    """
def windows(numbers):
    rules = {
        'sum': sum,
        'smallest': min,
        'largest': max,
        'spread (largest minus smallest)': lambda part: max(part) - min(part),
    }
    starts = range(0, len(numbers) - $k + 1, $step)
    return [rules[$what](numbers[at : at + $k]) for at in starts]
""",
    lambda rng, p: (integers(rng, -99, 99, 22),),
)
_GROUP = Family(
    "group_by_remainder",
    "Return a dictionary from each remainder that occurs among the integers `numbers` (n modulo "
    "$k, at least 0) to the list of the numbers that leave it, in their order; numbers of the "
    "remainder $r are left out.",
    lambda rng: {"k": (k := rng.randint(2, 25)), "r": rng.randrange(k)},
    """
def group_by_remainder(numbers):
    groups = {}
    for n in numbers:
        if n % $k != $r:
            groups.setdefault(n % $k, []).append(n)
    return groups
""",
    _numbers,
)
_MERGE = Family(
    "merge_spans",
    "Each item of `spans` is a list [start, end] of integers. Merge spans that overlap or have a "
    "distance of at most $k (next start minus end), and return them sorted, as lists. Leave out "
    "merged spans shorter than $least (end minus start).",
    lambda rng: {"k": rng.randint(0, 30), "least": rng.randint(0, 12)},
    """
def merge_spans(spans):
    merged = []
    for start, end in sorted(spans):
        if merged and start - merged[-1][1] <= $k:
            merged[-1][1] = max(merged[-1][1], end)
        else:
            merged.append([start, end])
    return [span for span in merged if span[1] - span[0] >= $least]
""",
    _spans,
)
_SUMMARY = Family(
    "summary",
    "Return the tuple (smallest, largest, count) of the integers in `numbers`, where count says "
    "how many are greater than $t or multiples of $k; None for an empty list.",
    lambda rng: {"t": rng.randint(-50, 50), "k": rng.randint(3, 12)},
    """
def summary(numbers):
    if not numbers:
        return None
    count = sum(1 for n in numbers if n > $t or n % $k == 0)
    return min(numbers), max(numbers), count
""",
    _numbers,
)
_COMMON = Family(
    "most_common",
    "Return the list of the $k most frequent words of the list `words`, the most frequent first, "
    "words of the same frequency in $order order. Only words of at least $least letters count.",
    lambda rng: {
        "k": rng.randint(1, 6),
        "least": rng.randint(1, 5),
        "order": rng.choice(["alphabetical", "reverse alphabetical"]),
    },
    """
def most_common(words):
    counts = {}
    for word in words:
        if len(word) >= $least:
            counts[word] = counts.get(word, 0) + 1
    ranked = sorted(counts, reverse=$order != 'alphabetical')
    return sorted(ranked, key=lambda word: -counts[word])[:$k]
""",
    lambda rng, p: (_words(rng, p["least"]),),
)
_SPACED = Family(
    "spaced_out",
    "Go through the list `items` and keep an item unless an equal one is among the last $k items "
    "that were kept; return the kept ones, but no more than $most.",
    lambda rng: {"k": rng.randint(1, 6), "most": rng.randint(8, 25)},
    """
def spaced_out(items):
    kept = []
    for item in items:
        if item not in kept[-$k:]:
            kept.append(item)
    return kept[:$most]
""",
    lambda rng, p: ([rng.randint(0, p["k"] + 2) for _ in range(rng.randint(0, 60))],),
)
_INDICES = Family(
    "pairs_of_sum",
    "Return the list of all tuples (i, j) with i < j, in ascending order, for which `numbers`[i] + "
    "`numbers`[j] is a number from $low to $high.",
    lambda rng: {"low": (low := rng.randint(-30, 30)), "high": low + rng.randint(0, 9)},
    """
def pairs_of_sum(numbers):
    count = len(numbers)
    pairs = [(i, j) for i in range(count) for j in range(i + 1, count)]
    return [(i, j) for i, j in pairs if $low <= numbers[i] + numbers[j] <= $high]
""",
    lambda rng, p: (integers(rng, p["low"] // 2 - 5, p["high"] // 2 + 5, 9),),
)


def _words(rng: random.Random, least: int) -> list[str]:
    known = [word(rng, "abc", least + 2, max(1, least - 1)) for _ in range(9)]
    return [rng.choice(known) for _ in range(rng.randint(0, 30))]


LIST_FAMILIES: tuple[Family, ...] = (
    _CLAMP,
    _ROTATE,
    _EVERY,
    _LONGEST,
    _WINDOWS,
    _GROUP,
    _MERGE,
    _SUMMARY,
    _COMMON,
    _SPACED,
    _INDICES,
)
