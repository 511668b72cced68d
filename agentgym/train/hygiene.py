"""Train/test hygiene: evaluation tasks that are training tasks too.

Tasks are the same where their hashes are: prompt, answer and metadata. The prompt alone is told,
not refused, where it names one task of either side: with other metadata it may be the same task
from another source. Where many tasks share a prompt, it is something else that tells them apart.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from agentgym.errors import UsageError
from agentgym.evaluate.saved import SavedTask
from agentgym.evaluate.tasklog import saved_task
from agentgym.train.config import TrainConfig
from agentgym.train.schedule import Schedule

__all__ = ["FURTHER", "Hygiene", "check", "compare", "of_played", "scheduled"]

FURTHER = 1 << 31  # added to the seed of the tasks of dynamic sampling's rounds
_BUDGET_S = 20.0
_EXAMPLES = 5


@dataclass(frozen=True, slots=True)
class Hygiene:
    """Evaluation tasks held against training tasks.

    Attributes:
        training: Training tasks that were compared.
        evaluation: Evaluation tasks that were compared.
        same: Pairs of ids, evaluation and training, of one content; each evaluation task once.
        alike: The same of one prompt that no third task has, but another answer or other metadata.
    """

    training: int
    evaluation: int
    same: tuple[tuple[str, str], ...] = ()
    alike: tuple[tuple[str, str], ...] = ()

    def summary(self) -> dict[str, Any]:
        """Return it as ``summary.json`` has it."""
        return {
            "compared": [self.training, self.evaluation],
            "overlap": len(self.same),
            "examples": _examples(self.same),
            "same_prompt": len(self.alike),
            "same_prompt_examples": _examples(self.alike),
        }


def _examples(pairs: Sequence[tuple[str, str]]) -> list[str]:
    return [
        one if one == other else f"{one} (in training: {other})" for one, other in pairs[:_EXAMPLES]
    ]


def compare(training: Iterable[SavedTask], evaluation: Iterable[SavedTask]) -> Hygiene:
    """Hold evaluation tasks against training tasks, by content and by prompt."""
    tested = {task.id: task for task in evaluation}
    by_hash = _gathered((task.hash, task.id) for task in tested.values())
    by_words = _gathered((_words(task.prompt), task.id) for task in tested.values())
    same: dict[str, str] = {}
    asked: dict[str, list[str]] = {}
    count = 0
    for task in training:
        count += 1
        for found in by_hash.get(task.hash, ()):
            same.setdefault(found, task.id)
        words = _words(task.prompt)
        if words in by_words:
            asked.setdefault(words, []).append(task.id)
    alike = tuple(
        (by_words[words][0], ids[0])
        for words, ids in asked.items()
        if len(ids) == len(by_words[words]) == 1 and by_words[words][0] not in same
    )
    return Hygiene(count, len(tested), tuple(same.items()), alike)


def _gathered(pairs: Iterable[tuple[str, str]]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for key, value in pairs:
        found.setdefault(key, []).append(value)
    return found


def _words(prompt: str) -> str:
    """Return a prompt without what does not make it another one: case and white space."""
    return " ".join(prompt.casefold().split())


def scheduled(config: TrainConfig, ids: Sequence[str]) -> Iterator[str]:
    """Yield each task that the run may train on, in the order in which it comes to it."""
    rounds = config.parts.dynamic_sampling
    main = Schedule(ids, config.tasks_per_step, config.seed)
    further = Schedule(ids, config.tasks_per_step, config.seed + FURTHER)
    seen: set[str] = set()
    for step in range(config.steps):
        for task in (*main.tasks(step), *_of_rounds(further, step, rounds)):
            if task not in seen:
                seen.add(task)
                yield task
        if len(seen) == len(ids):
            return


def _of_rounds(schedule: Schedule, step: int, rounds: int) -> Iterator[str]:
    for number in range(rounds):
        yield from schedule.tasks(step * rounds + number)


def check(
    config: TrainConfig,
    core: Any,
    train_ids: Sequence[str],
    eval_ids: Sequence[str],
    say: Callable[[str], None],
    *,
    begun: bool = False,
    budget_s: float = _BUDGET_S,
) -> Hygiene:
    """Hold the evaluation tasks against those that the run will train on, before it starts.

    Args:
        config: Of the run.
        core: Its environment, unwrapped.
        train_ids: Tasks of its split.
        eval_ids: Tasks of its evaluation.
        say: Called with what the user should know.
        begun: Whether the run is taken up again: then it is warned of, not refused.
        budget_s: Seconds after which the training tasks that are left are not compared.

    Raises:
        UsageError: If evaluation tasks are training tasks, and the settings do not allow it.
    """
    wanted = list(scheduled(config, train_ids)) if eval_ids else []
    tested = [saved_task(config.env, core, each) for each in eval_ids]
    training = (saved_task(config.env, core, each) for each in wanted)
    found = compare(_within(training, time.monotonic() + budget_s), tested)
    if found.training < len(wanted):
        say(
            f"hygiene: {found.training} of {len(wanted)} training tasks were compared with the "
            f"evaluation tasks in {budget_s:g} s; the summary will compare all that were played"
        )
    if found.alike:
        say(
            f"note: {_share(found.alike, found)} ask what a training task asks, with another "
            f"answer or other metadata, such as {_examples(found.alike)[0]}"
        )
    if found.same:
        text = f"{_share(found.same, found)} are training tasks, such as {_examples(found.same)[0]}"
        if not config.allow_overlap and not begun:
            raise UsageError(
                f"{text}: the gain would be measured on what is trained on; take them out of "
                f"'{config.split}' or '{config.eval_split}', choose another eval_split, or set "
                "allow_overlap (--allow-overlap)"
            )
        say(f"WARNING: {text}: the gain is measured on what is trained on")
    return found


def _within(tasks: Iterable[SavedTask], deadline: float) -> Iterator[SavedTask]:
    for task in tasks:
        yield task
        if time.monotonic() > deadline:
            return


def _share(pairs: Sequence[object], found: Hygiene) -> str:
    share = len(pairs) / found.evaluation
    return f"{len(pairs)} of {found.evaluation} evaluation tasks ({share:.0%})"


def of_played(
    played: dict[str, SavedTask],
    config: TrainConfig,
    train_ids: Sequence[str],
    eval_ids: Sequence[str],
) -> Hygiene:
    """Hold the tasks of a run against one another that it has played.

    Args:
        played: What ``tasks.jsonl`` holds, by id.
        config: Of the run.
        train_ids: Tasks of its split.
        eval_ids: Tasks of its evaluation.
    """
    training = (played[each] for each in scheduled(config, train_ids) if each in played)
    return compare(training, [played[each] for each in eval_ids if each in played])
