"""What a policy reached over many tasks: task goal completion and scenario goal completion."""

from __future__ import annotations

from collections.abc import Iterable

from agentgym_envs.world.variations import SIBLINGS

__all__ = ["sgc", "tgc"]


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
