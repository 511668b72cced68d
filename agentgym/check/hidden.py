"""Golds that can be read: a made-up gold is planted, and fixed places of prompts are compared.

What an environment adds to its prompts is found by a gold that is unlike anything else: where it
turns up, there was a leak. What stands in the prompts themselves needs another rule, for "4" is in
many problems by chance, and an excerpt holds what is asked for. There a leak is a fixed place (the
third number, the last line, what follows "answer:") that holds the gold in most tasks, and holds
the golds of other tasks seldom.
"""

from __future__ import annotations

import json
import random
import re
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from typing import Any

from agentgym.check.gold import mutated, with_leaves
from agentgym.check.report import Failed, NotApplicable, Seen
from agentgym.check.subject import SEED, Solution, Subject, play, reset, scripted
from agentgym.env import Env
from agentgym.types import Task

__all__ = ["DIGITS", "gold_hidden", "planted"]

DIGITS = 15  # of a made-up gold: as many as a float holds
MOST_TASKS = 24  # whose prompts are compared
LEAST_TASKS = 8  # fewer cannot tell a leak from chance
EXCESS = 0.5  # of the tasks, beyond what chance explains
ENDS = 6  # numbers, words and lines that are looked at, from the front and from the back

_NUMBER = re.compile(r"-?\d[\d,]*(?:\.\d+)?")
_LABEL = re.compile(r"([A-Za-z_]+)[\"']?(?:\s+is\b|\s*[:=#]+)\s*[\"'(\[{]*([^\s\"')\]},;]+)")


def gold_hidden(subject: Subject) -> Seen:
    """Look for golds in the observations, the messages, the info and the tools' schemas."""
    actions = {each.task.id: each for each in subject.begun()}
    with closing(subject.make()) as env:
        ids = subject.task_ids(env)
        if all(_task(env, task_id).answer is None for task_id in ids):
            raise NotApplicable("its golds are not in Task.answer")
        looked = sum(_look(env, _task(env, task_id), actions.get(task_id)) for task_id in ids)
        compared = _compare(env, subject.task_ids(env, MOST_TASKS))
    if not looked and not compared:
        raise NotApplicable("no gold can be planted, and its prompts are too few to compare")
    told = f"a made-up gold shows in none of {looked} episodes"
    if compared:
        told = f"{told}; no fixed place of {compared} prompts holds the gold"
    return Seen(told, {"planted": looked, "compared": compared})


def planted(gold: Any, rng: random.Random) -> tuple[Any, tuple[str, ...]]:
    """Return a gold of the same shape that is made up, and the digits to look for."""
    made: list[int] = []

    def make_up(leaf: Any) -> Any:
        if isinstance(leaf, bool):
            return leaf
        made.append(rng.randrange(10 ** (DIGITS - 1), 10**DIGITS))
        return type(leaf)(made[-1]) if type(leaf) in (str, int, float) else leaf

    return with_leaves(gold, make_up), tuple(map(str, made))


def _task(env: Env, task_id: str) -> Task:
    core = env.unwrapped
    return core.tasks.get(task_id, core.split)


def _look(env: Env, task: Task, oracle: Solution | None) -> bool:
    """Play the oracle's actions against a made-up gold; return whether that could be done.

    Raises:
        Failed: If the agent can read it before the episode is over.
    """
    gold, digits = planted(task.answer, random.Random(f"{SEED}/{task.id}"))
    if not digits:
        return False
    with mutated(env, task, gold):
        try:
            observation, info = reset(env, task.id)
        except Exception:  # noqa: BLE001 - an environment may refuse what is no gold of its kind
            return False
        visible = {
            "the first observation": observation,
            "the first messages": json.dumps(info["messages"], default=str),
            "the info of reset": json.dumps(info, default=str),
            "the tools' schemas": json.dumps(env.unwrapped.tools, default=str),
        }
        for number, later in enumerate(_later(env, observation, oracle), 1):
            visible[f"the observation of step {number}"] = later
    for where, text in visible.items():
        if any(each in text.replace(",", "") for each in digits):
            raise Failed(f"task {task.id}: {where} shows the gold")
    return True


def _later(env: Env, observation: str, oracle: Solution | None) -> list[str]:
    """Return what is observed along the oracle's way, while the episode is not over."""
    seen: list[str] = []
    act = scripted(oracle.actions if oracle else ())

    def noted(text: str) -> str | None:
        seen.append(text)
        return act(text)

    try:
        play(env, observation, noted)
    except Exception:  # noqa: BLE001 - nor need it judge by what is no gold of its kind
        return seen[1:]
    return seen[1:]


def _compare(env: Env, ids: Sequence[str]) -> int:
    """Compare fixed places of prompts with golds; return how many prompts there were.

    Raises:
        Failed: If a place holds the gold of most tasks.
    """
    tasks: dict[str, str] = {}
    places: defaultdict[str, dict[str, str]] = defaultdict(dict)
    for task_id in ids:
        observation, info = reset(env, task_id)
        answer = env.unwrapped.task.answer
        if isinstance(answer, bool) or not isinstance(answer, str | int | float):
            continue
        tasks[task_id] = _plain(str(answer))
        for place, value in _places(observation, info):
            places[place].setdefault(task_id, _plain(value))
    if len(tasks) < LEAST_TASKS:
        return 0
    for place, values in places.items():
        own = sum(values[each] == tasks[each] for each in values) / len(tasks)
        if own >= EXCESS and own - _by_chance(values, tasks) >= EXCESS:
            raise Failed(f"{place} is the gold in {own:.0%} of {len(tasks)} tasks")
    return len(tasks)


def _by_chance(values: Mapping[str, str], golds: Mapping[str, str]) -> float:
    """Return how often a place holds the gold of another task."""
    hits = sum(values[one] == golds[other] for one in values for other in golds if other != one)
    return hits / (len(golds) * (len(golds) - 1))


def _places(observation: str, info: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield the fixed places of what an agent reads first, each with what stands there."""
    kinds = {
        "number": _NUMBER.findall(observation),
        "word": observation.split(),
        "line": [line for line in observation.splitlines() if line.strip()],
    }
    for kind, parts in kinds.items():
        for place, value in enumerate(parts[:ENDS], 1):
            yield f"{kind} {place} of the observation", value
        for place, value in enumerate(reversed(parts[-ENDS:]), 1):
            yield f"{kind} {place} from the end of the observation", value
    for label, value in _LABEL.findall(observation):
        yield f"what follows {label[:40]!r} in the observation", value
    rest = {key: value for key, value in info.items() if key not in ("messages", "task_id")}
    for label, value in _LABEL.findall(json.dumps(rest, default=str)):
        yield f"what follows {label[:40]!r} in the info", value


def _plain(text: str) -> str:
    return text.replace(",", "").strip(" .!?:;$()[]{}\"'*`").casefold()
