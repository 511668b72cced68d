"""What makes two runs hard to compare: other tasks, other settings, episodes that were lost."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from statistics import fmean
from typing import Any

from agentgym.evaluate.results import TaskResults
from agentgym.evaluate.statistics import welch

__all__ = ["concerns", "settings_that_differ"]

_SETTINGS = (
    "temperature",
    "max_tokens",
    "max_turns",
    "context",
    "max_episode_tokens",
)
_SHOWN = 3  # examples in a warning
_SHARE = 0.02  # by which the shares of lost episodes may differ
_ALPHA = 0.05


def settings_that_differ(
    a: Mapping[str, Any], b: Mapping[str, Any], labels: Sequence[str]
) -> list[str]:
    """Return a warning if the two runs were played under different settings.

    Args:
        a: Settings of the first run.
        b: Settings of the second.
        labels: Environments that both have.
    """
    pairs = {name: (a[name], b[name]) for name in _SETTINGS if name in a and name in b}
    if "environments" in a and "environments" in b:  # a training has none
        entries = a["environments"], b["environments"]
        pairs |= {label: (entries[0].get(label), entries[1].get(label)) for label in labels}
    other = [
        f"{name} ({'unset' if one is None else one} and {'unset' if two is None else two})"
        for name, (one, two) in pairs.items()
        if one != two
    ]
    return [f"the runs have different settings: {', '.join(other)}"] if other else []


def concerns(a: TaskResults, b: TaskResults) -> list[str]:
    """Return what makes one environment's results hard to compare, a line each."""
    return [*_changed_tasks(a, b), *_lost_shares(a, b), *_lost_tasks(a, b)]


def _changed_tasks(a: TaskResults, b: TaskResults) -> list[str]:
    both = [task for task in a.scores if task in b.scores]
    known = [task for task in both if task in a.hashes and task in b.hashes]
    changed = [task for task in known if a.hashes[task] != b.hashes[task]]
    if not changed:
        return []
    return [
        f"{len(changed)} of {len(both)} shared tasks have other contents in the two runs, so the "
        f"same id is not the same task: {_some(changed)}"
    ]


def _lost_shares(a: TaskResults, b: TaskResults) -> list[str]:
    """Warn where one run lost clearly more episodes: that alone can make a difference."""
    if abs(a.error_share - b.error_share) <= _SHARE:
        return []
    return [
        f"A has {a.unscored} unscored episodes ({a.error_share:.1%}) and B {b.unscored} "
        f"({b.error_share:.1%}); if these would have scored unlike the rest, part of the "
        "difference is not the policies'; run what has errors again"
    ]


def _lost_tasks(a: TaskResults, b: TaskResults) -> list[str]:
    """Warn where tasks with lost episodes score unlike the others, in either run."""
    if a.errors is None or b.errors is None:
        return []
    lost = {task for side in (a.errors, b.errors) for task, count in side.items() if count}
    found = []
    for name, side in (("A", a), ("B", b)):
        with_errors = _means(side, lost)
        without = _means(side, side.scores.keys() - lost)
        if min(len(with_errors), len(without)) < 2:
            continue
        if welch(without, with_errors).p < _ALPHA:
            found.append(
                f"episodes were not lost at random: {name} scores {fmean(with_errors):.3f} on the "
                f"{len(with_errors)} tasks with errors and {fmean(without):.3f} on the other "
                f"{len(without)}"
            )
    return found


def _means(side: TaskResults, tasks: Collection[str]) -> list[float]:
    return [fmean(scores) for task, scores in side.scores.items() if scores and task in tasks]


def _some(names: Sequence[str]) -> str:
    shown = ", ".join(f"'{name:.60}'" for name in names[:_SHOWN])
    return f"{shown}, ..." if len(names) > _SHOWN else shown
