"""The labelled development set: written by hand before the checker saw it, judged as a whole."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from agentgym_envs.math import verify

FOLDER = Path(__file__).parents[1] / "fixtures" / "math_cases"
FILES = sorted(path.stem for path in FOLDER.glob("*.jsonl"))
LEAST_ACCURACY, MOST_FALSE_POSITIVES = 0.99, 3


def cases(category: str) -> list[dict[str, Any]]:
    lines = (FOLDER / f"{category}.jsonl").read_text().splitlines()
    return [json.loads(line) for line in lines]


def response(case: dict[str, Any]) -> str:
    """Return the response; a bomb says how often which text is repeated in it."""
    text = str(case["response"])
    if (repeat := case.get("repeat")) is not None:
        text = text.replace("<<REPEAT>>", repeat["text"] * repeat["times"])
    return text


@cache
def failures() -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return what was wrongly accepted and what was wrongly refused, a line each."""
    accepted, refused = [], []
    for category in FILES:
        for case in cases(category):
            verdict = verify(response(case), case["gold"])
            if verdict.score != case["score"]:
                shown = f"{category}: {case['response']!r:.120} | {case['gold']!r:.60}"
                wrong = accepted if verdict.score else refused
                wrong.append(f"{shown} | {case['why']} | {verdict.reason}")
    return tuple(accepted), tuple(refused)


def test_cases_are_right_as_a_whole() -> None:
    accepted, refused = failures()
    total = sum(len(cases(category)) for category in FILES)
    lines = "\n".join(["wrongly accepted:", *accepted, "wrongly refused:", *refused])
    assert len(accepted) <= MOST_FALSE_POSITIVES, lines
    assert 1 - (len(accepted) + len(refused)) / total >= LEAST_ACCURACY, lines


def test_cases_are_many_and_balanced() -> None:
    """At least 600 cases; right and wrong answers about as often."""
    scores = [case["score"] for category in FILES for case in cases(category)]
    assert len(scores) >= 600
    assert 0.4 < sum(scores) / len(scores) < 0.6


@pytest.mark.parametrize("category", FILES)
def test_cases_are_well_formed(category: str) -> None:
    seen = set()
    for case in cases(category):
        assert case["category"] == category
        assert case["score"] in (0, 1)
        assert case["gold"].strip()
        assert case["why"]
        seen.add((response(case), case["gold"]))
    assert len(seen) == len(cases(category))
