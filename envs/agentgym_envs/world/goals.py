"""What a policy reached over many tasks: goal completion by task and by scenario, and how.

`tgc` and `sgc` take scores; `Goals.of` takes the episodes of an evaluation, and adds pass^k and the
counters of behaviour. An episode has reached its goal if every rule of its verdict holds, whatever
the reward mode pays.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean

from agentgym.evaluate.statistics import pass_hat_k
from agentgym.types import Episode
from agentgym_envs.world.behaviour import counts
from agentgym_envs.world.variations import SIBLINGS

__all__ = ["Goals", "reached", "sgc", "tgc"]

_APP = "calls."  # counters of single apps, which not every episode has


@dataclass(frozen=True, slots=True)
class Goals:
    """What a policy reached in one environment, and how it behaved.

    Attributes:
        tgc: Task goal completion, over the scored episodes; None if there are none.
        sgc: Scenario goal completion: the mean over the attempts that `scenarios` counts.
        pass_hat_k: k, a power of two, to the chance that k episodes of a task all reach its goal.
        behaviour: Each counter's mean an episode, of those that have counters.
        tasks: That were played.
        scenarios: Attempts at a whole scenario: one scored episode of each of three variations or
            more, and none unscored.
        scored: Episodes.
        unscored: Episodes that a fault ended, which count nowhere else.
    """

    tgc: float | None
    sgc: float | None
    pass_hat_k: Mapping[int, float]
    behaviour: Mapping[str, float]
    tasks: int
    scenarios: int
    scored: int
    unscored: int

    @classmethod
    def of(cls, episodes: Iterable[Episode]) -> Goals:
        """Return what these episodes come to.

        Args:
            episodes: Of one environment, any number for each task.
        """
        played = list(episodes)
        scored = [episode for episode in played if episode.status == "scored"]
        by_task: dict[str, list[bool]] = defaultdict(list)
        for episode in scored:
            by_task[episode.task_id].append(reached(episode))
        solved = [done for some in by_task.values() for done in some]
        whole = _whole_scenarios(played)
        return cls(
            fmean(solved) if solved else None,
            fmean(all(reached(each) for each in some) for some in whole) if whole else None,
            _pass_hat(list(by_task.values())),
            _behaviour(scored),
            len({episode.task_id for episode in played}),
            len(whole),
            len(scored),
            len(played) - len(scored),
        )


def reached(episode: Episode) -> bool:
    """Whether a scored episode reached its goal: all rules that weigh something hold."""
    verdict = episode.verdict
    rules = [rule for rule in verdict.rules if rule.weight] if verdict else []
    if not rules:
        return (episode.reward or 0.0) >= 1.0
    return all(rule.score >= 1.0 for rule in rules)


def _whole_scenarios(played: Sequence[Episode]) -> list[list[Episode]]:
    """Return the attempts at whole scenarios: the n-th episodes of all of its variations."""
    attempts: dict[tuple[str, int], list[Episode]] = defaultdict(list)
    seen: Counter[str] = Counter()
    for episode in sorted(played, key=lambda each: (each.task_id, each.seed, each.index)):
        number = seen[episode.task_id]
        seen[episode.task_id] += 1
        attempts[episode.task_id.rpartition("_")[0], number].append(episode)
    return [
        some
        for some in attempts.values()
        if len(some) >= SIBLINGS and all(each.status == "scored" for each in some)
    ]


def _pass_hat(by_task: Sequence[Sequence[bool]]) -> dict[int, float]:
    """Return pass^k for each power of two that all tasks have episodes for."""
    most = min((len(done) for done in by_task), default=0)
    powers = (1 << n for n in range(most.bit_length()))
    return {k: fmean(pass_hat_k(len(done), sum(done), k) for done in by_task) for k in powers}


def _behaviour(scored: Sequence[Episode]) -> dict[str, float]:
    found = [counts(episode.verdict.rules) for episode in scored if episode.verdict]
    found = [each for each in found if each]
    if not found:
        return {}
    names = [name for name in found[0] if not name.startswith(_APP)]
    names += sorted({name for each in found for name in each if name.startswith(_APP)})
    return {name: fmean(each.get(name, 0) for each in found) for name in names}


def tgc(scores: Iterable[tuple[str, float]]) -> float:
    """Return the share of attempts that reached a score of 1.

    Source: Trivedi et al. 2024, "AppWorld", arXiv 2407.18901.

    Args:
        scores: (task id, score) of each attempt, in the reward mode ``binary``.

    Raises:
        ValueError: If there are none.
    """
    solved = [score >= 1.0 for _, score in scores]
    if not solved:
        raise ValueError("no scores were given; pass at least one (task id, score)")
    return sum(solved) / len(solved)


def sgc(scores: Iterable[tuple[str, float]]) -> float:
    """Return the share of scenarios of which every variation was solved.

    A scenario of which fewer than three variations were tried counts as not solved, and so does
    one with a failed attempt among several at the same task.

    Args:
        scores: (task id, score) of each attempt, in the reward mode ``binary``.

    Raises:
        ValueError: If there are none.
    """
    tried: dict[str, dict[str, bool]] = {}
    for task_id, score in scores:
        variations = tried.setdefault(task_id.rpartition("_")[0], {})
        variations[task_id] = variations.get(task_id, True) and score >= 1.0
    if not tried:
        raise ValueError("no scores were given; pass at least one (task id, score)")
    return sum(len(v) >= SIBLINGS and all(v.values()) for v in tried.values()) / len(tried)
