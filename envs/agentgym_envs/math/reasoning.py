"""Tasks of the package ``reasoning_gym``, judged by its own scorers.

Its scorers give part marks; only the full mark counts here. Some hand the answer to ``eval`` or
sympy's ``parse_expr``, which run what a model wrote, and some give the full mark to nonsense: those
are refused. What is left runs in this process, without a time limit.
"""

from __future__ import annotations

import difflib
import importlib
import inspect
import json
import random
import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from agentgym.errors import ConfigError, MissingExtra
from agentgym.tasks import TaskSet, split_of
from agentgym.types import Rule, Task, Verdict
from agentgym_envs.math.extract import extract
from agentgym_envs.math.tasks import SIZES

__all__ = ["INSTRUCTIONS", "Reasoning", "reasoning"]

INSTRUCTIONS = (
    "Solve the problem. You may think first. Then put only the final answer, in the form that the "
    "problem asks for, between <answer> and </answer>, once."
)
MAX_ANSWER = 20_000  # characters that a scorer is given
MAX_DRAWS = 500
SIZE = 20_000  # entries that are drawn from; some datasets make all of them at once
NONSENSE = ("?", "no answer")
_RUNS_TEXT = re.compile(r"\b(?:eval|exec|parse_expr|sympify)\(")
_TAGGED = re.compile(r"<answer>(.*?)</answer>", re.DOTALL)


class Reasoning:
    """A dataset of the package: its tasks in splits, and their judge.

    Args:
        name: The dataset, ``leg_counting`` for example.
        config: Its settings.

    Raises:
        ConfigError: If there is no such dataset, a setting is wrong, or it cannot be used safely.
        MissingExtra: If the package is not installed.
    """

    def __init__(self, name: str, config: Mapping[str, Any]) -> None:
        self.name = name
        self.dataset = _dataset(name, config)
        self._entry = lru_cache(maxsize=512)(self.dataset.__getitem__)
        self._refuse_nonsense()
        self.tasks = TaskSet.generate(self._draw, SIZES)

    def judge(self, response: str, task: Task) -> Verdict:
        """Score a response: 1.0 for the scorer's full mark, else 0.0."""
        answer = _answer(response)
        if answer is None:
            return _verdict(0.0, "no final answer; it belongs between <answer> and </answer>", None)
        entry = self._entry(task.metadata["index"])
        mark, reason = self._mark(answer[:MAX_ANSWER], entry)
        return _verdict(float(mark == 1.0), reason, answer)

    def _mark(self, answer: str, entry: Any) -> tuple[float, str]:
        """Return the scorer's mark, 0.0 where it raises: it takes the entry's own answer."""
        try:
            mark = float(self.dataset.score_answer(answer, entry))
        except Exception as error:  # noqa: BLE001 - so this answer is malformed
            return 0.0, f"the scorer refuses the answer: {type(error).__name__}"
        return mark, f"the scorer of {self.name} gives {mark:g}"

    def _draw(self, rng: random.Random, split: str, index: int) -> Task:
        """Draw until an entry with a right answer falls into the split."""
        for _ in range(MAX_DRAWS):
            place = rng.randrange(len(self.dataset))
            entry = self._entry(place)
            if split_of(f"{self.name} {entry['question']}") == split and self._solvable(entry):
                metadata = {"source": f"reasoning_gym/{self.name}", "index": place}
                return Task("", entry["question"], entry["answer"], split, metadata)
        raise ConfigError(
            f"reasoning_gym '{self.name}' has no solved task of split '{split}' in {MAX_DRAWS} "
            "draws; choose other settings or another dataset"
        )

    def _refuse_nonsense(self) -> None:
        for place in range(min(10, len(self.dataset))):
            entry = self._entry(place)
            if any(self._mark(text, entry)[0] == 1.0 for text in NONSENSE):
                raise ConfigError(
                    f"reasoning_gym '{self.name}' is refused: its scorer gives the full mark to "
                    "nonsense; choose another dataset"
                )

    def _solvable(self, entry: Mapping[str, Any]) -> bool:
        answer = entry["answer"]
        return isinstance(answer, str) and self._mark(answer, entry)[0] == 1.0


@lru_cache(maxsize=8)
def reasoning(name: str, config: str) -> Reasoning:
    """Return a dataset for settings as JSON; made once in a process."""
    return Reasoning(name, json.loads(config))


@lru_cache(maxsize=1)
def _known_names() -> tuple[str, ...]:
    return tuple(sorted(importlib.import_module("reasoning_gym.factory").DATASETS))


def _dataset(name: str, config: Mapping[str, Any]) -> Any:
    try:
        package = importlib.import_module("reasoning_gym")
    except ImportError as error:
        raise MissingExtra("reasoning_gym", "reasoning-gym") from error
    if name not in _known_names():
        near = difflib.get_close_matches(name, _known_names(), 1)
        hint = f"did you mean '{near[0]}'?" if near else "see reasoning_gym.factory.DATASETS"
        raise ConfigError(f"no reasoning_gym dataset '{name}'; {hint}")
    try:
        dataset = package.create_dataset(name, **{"seed": 0, "size": SIZE, **config})
    except (TypeError, ValueError, AssertionError) as error:
        raise ConfigError(f"reasoning_gym '{name}' refuses {dict(config)}: {error}") from error
    if name == "composite" or _RUNS_TEXT.search(inspect.getsource(type(dataset).score_answer)):
        raise ConfigError(
            f"reasoning_gym '{name}' is refused: its scorer may run an answer as Python code; "
            "choose another dataset"
        )
    return dataset


def _answer(response: str) -> str | None:
    """Return what stands in the last pair of tags after the thinking, else in the last box."""
    final = response.rpartition("</think>")[2]
    if "<think>" in final:
        return None
    tagged = _TAGGED.findall(final)
    return tagged[-1].strip() if tagged else extract(final)


def _verdict(score: float, reason: str, answer: str | None) -> Verdict:
    return Verdict(score, (Rule("answer", score, reason=reason),), reason, answer)
