"""Golds that are changed: a task whose gold is another one, and the oracle's episode against it."""

from __future__ import annotations

import dataclasses
import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from typing import Any

from agentgym.check.report import Failed, NotApplicable, Seen
from agentgym.check.subject import Solution, Subject, play, reset, scripted
from agentgym.env import Env
from agentgym.tasks import TaskSet
from agentgym.types import Task

__all__ = ["changed_gold", "mutated", "mutations", "with_leaves"]

_NUMBER = re.compile(r"-?\d+(?:\.\d+)?")


def changed_gold(subject: Subject) -> Seen:
    """Play the oracle's actions against tasks whose gold was changed; they must not solve them.

    A way of changing golds fails where most tasks of it are still solved, a task where it is solved
    by all changes: one change among several may say the same as before (a constant of an
    antiderivative).
    """
    solved = subject.solved()
    if all(each.task.answer is None for each in solved):
        raise NotApplicable("its golds are not in Task.answer")
    tried: Counter[str] = Counter()
    kept: dict[str, list[str]] = {}
    whole: list[str] = []
    elsewhere = True
    with closing(subject.make()) as env:
        for each in solved:
            changes = mutations(each.task.answer)
            if not changes:
                continue
            still = [kind for kind, gold in changes.items() if _solves(env, each, gold)]
            tried.update(changes.keys())
            for kind in still:
                kept.setdefault(kind, []).append(_told(each, kind, changes[kind]))
            accepts_all = len(still) == len(changes)
            if accepts_all:
                whole.append(kept[still[0]][-1])
            elsewhere &= accepts_all and _judged_elsewhere(env, each, changes)
    return _judged(tried, kept, whole, elsewhere)


def _judged(
    tried: Counter[str], kept: Mapping[str, list[str]], whole: Sequence[str], elsewhere: bool
) -> Seen:
    if not tried:
        raise NotApplicable("its golds are of no kind that can be changed")
    if elsewhere:
        raise NotApplicable("verdicts follow another gold than Task.answer")
    worst = [told[0] for kind, told in kept.items() if 2 * len(told) > tried[kind]]
    if failures := [*whole, *worst]:
        raise Failed(failures[0])
    count = sum(tried.values())
    chance = sum(map(len, kept.values()))
    return Seen(
        f"{count - chance} of {count} changed golds are refused",
        {"changed": count, "refused": count - chance},
    )


def _told(each: Solution, kind: str, gold: Any) -> str:
    before, after = (_short(value) for value in (each.task.answer, gold))
    return f"task {each.task.id}: what solves the gold {before} solves {after} too ({kind})"


def _solves(env: Env, each: Solution, gold: Any) -> bool:
    """Tell whether the oracle's actions solve the task with another gold, too."""
    with mutated(env, each.task, gold):
        return _reward(env, each.task.id, each.actions) == 1.0


def _judged_elsewhere(env: Env, each: Solution, changes: Mapping[str, Any]) -> bool:
    """Tell whether the answers of an oracle that reads a changed gold are refused.

    Then the verifier does tell answers apart, by something else than the task's answer.
    """
    for gold in changes.values():
        with mutated(env, each.task, gold):
            observation, _ = reset(env, each.task.id)
            other = play(env, observation, scripted(env.unwrapped.oracle())).actions
        if other == each.actions or _reward(env, each.task.id, other) == 1.0:
            return False
    return True


def _reward(env: Env, task_id: str, actions: Sequence[str]) -> float | None:
    """Return what actions get; None where the environment refuses the gold altogether."""
    try:
        observation, _ = reset(env, task_id)
        return play(env, observation, scripted(actions)).reward
    except Exception:  # noqa: BLE001 - a gold that cannot be used is not solved
        return None


@contextmanager
def mutated(env: Env, task: Task, gold: Any) -> Iterator[None]:
    """Give the environment a task with another gold, for a while.

    Raises:
        NotApplicable: If its tasks cannot be replaced.
    """
    core = env.unwrapped
    before = core.tasks
    own = "tasks" in vars(core)
    try:
        core.tasks = _WithOne(before, dataclasses.replace(task, answer=gold))
    except AttributeError as error:
        raise NotApplicable(f"its tasks cannot be replaced: {error}") from error
    try:
        yield
    finally:
        if own:
            core.tasks = before
        else:
            del core.tasks


class _WithOne(TaskSet):
    """Tasks of another set, one of them replaced."""

    def __init__(self, tasks: TaskSet, task: Task) -> None:
        self._tasks = tasks
        self._task = task

    @property
    def splits(self) -> tuple[str, ...]:
        return self._tasks.splits

    def _ids(self, split: str) -> Sequence[str]:
        return self._tasks.ids(split)

    def _find(self, task_id: str) -> Task | None:
        return self._task if task_id == self._task.id else self._tasks.get(task_id)


def mutations(gold: Any) -> dict[str, Any]:
    """Return kind of change to the changed gold; none where there is nothing to change."""
    found = _changes(gold)
    different: dict[str, Any] = {}
    for kind, value in found.items():
        if value != gold and value not in different.values():
            different[kind] = value
    return different


def _changes(gold: Any) -> dict[str, Any]:
    if isinstance(gold, bool):
        return {"turned": not gold}
    if isinstance(gold, int | float):
        return {"one more": gold + 1, "its sign": -gold}
    if isinstance(gold, str):
        return _text_changes(gold)
    return {"every part": with_leaves(gold, _other), "a part dropped": _dropped(gold)}


def _text_changes(text: str) -> dict[str, str]:
    digits = [match.start() for match in re.finditer("[0-9]", text)]
    if not digits:
        return {"its letters": _shifted(text)}
    changes = {"its first digit": _bumped(text, digits[0])}
    if _NUMBER.fullmatch(text.strip()) and float(text):
        number = text.strip()
        changes["its sign"] = number[1:] if number.startswith("-") else f"-{number}"
    changes["its last digit"] = _bumped(text, digits[-1])
    return changes


def _bumped(text: str, place: int) -> str:
    """Return the text with another digit, never 0, in a place."""
    return f"{text[:place]}{int(text[place]) % 9 + 1}{text[place + 1 :]}"


def _shifted(text: str) -> str:
    """Return the text with every letter replaced by its neighbour; others stay."""
    return "".join(
        chr(ord(char) + (1 if char.lower() != "z" else -25)) if char.isalpha() else char
        for char in text
    )


def _other(leaf: Any) -> Any:
    return next(iter(mutations(leaf).values()), leaf)


def with_leaves(gold: Any, change: Callable[[Any], Any]) -> Any:
    """Return a gold with every text and number in it changed, its shape kept."""
    if isinstance(gold, Mapping):
        return {key: with_leaves(value, change) for key, value in gold.items()}
    if isinstance(gold, list | tuple | set | frozenset):
        parts = [with_leaves(value, change) for value in gold]
        if isinstance(gold, tuple) and hasattr(gold, "_fields"):
            return type(gold)(*parts)
        return type(gold)(parts)
    if dataclasses.is_dataclass(gold) and not isinstance(gold, type):
        fields = (each.name for each in dataclasses.fields(gold) if each.init)
        changed = {name: with_leaves(getattr(gold, name), change) for name in fields}
        return dataclasses.replace(gold, **changed)
    return change(gold) if isinstance(gold, str | int | float) else gold


def _dropped(gold: Any) -> Any:
    """Return a collection of plain values without its last one; of tests any part is weaker."""
    if not isinstance(gold, Mapping | list | tuple | set | frozenset):
        return gold
    parts = list(gold.items()) if isinstance(gold, Mapping) else list(gold)
    plain = list(gold.values()) if isinstance(gold, Mapping) else parts
    if len(parts) < 2 or not all(isinstance(value, str | int | float) for value in plain):
        return gold
    return dict(parts[:-1]) if isinstance(gold, Mapping) else type(gold)(parts[:-1])


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:80]}..."
