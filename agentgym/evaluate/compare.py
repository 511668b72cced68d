"""Two runs compared: environment by environment, paired by task, with a verdict in words."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

from agentgym.errors import UsageError
from agentgym.evaluate.comparison import Compared, Comparison, Tested, Winner
from agentgym.evaluate.concerns import concerns, settings_that_differ
from agentgym.evaluate.diversity import Diversity, diversity
from agentgym.evaluate.results import Results, TaskResults, open_results
from agentgym.evaluate.statistics import (
    differences,
    holm,
    minimum_detectable,
    paired,
    score_interval,
    sign_flip,
    spread,
)

__all__ = ["compare", "compare_results"]


def compare(
    run_a: str | Path, run_b: str | Path, *, alpha: float = 0.05, power: float = 0.8
) -> Comparison:
    """Compare two run folders: evaluations, or trainings by their last evaluation.

    Args:
        run_a: The first; ``FOLDER@STEP`` is a training's evaluation after so many steps.
        run_b: The second.
        alpha: As of `compare_results`.
        power: As of `compare_results`.

    Raises:
        RunError: If one is no run folder, or has nothing to compare.
        UsageError: If they have no environment in common.
    """
    return compare_results(open_results(run_a), open_results(run_b), alpha=alpha, power=power)


def compare_results(
    a: Results, b: Results, *, alpha: float = 0.05, power: float = 0.8
) -> Comparison:
    """Compare what two runs came to.

    A run is called better where both the t test and the sign flips say so: the first also tells
    how much, the second holds without normality and for few tasks.

    Args:
        a: The first.
        b: The second; differences are b less a.
        alpha: Chance of a false finding, over all environments.
        power: How probably a difference that "would have been shown" is shown.

    Raises:
        UsageError: If they have no environment in common.
    """
    shared = sorted(a.environments.keys() & b.environments.keys())
    if not shared:
        raise UsageError(
            f"'{a.name}' ({', '.join(a.environments)}) and '{b.name}' "
            f"({', '.join(b.environments)}) have no environment in common; evaluate both on one"
        )
    pairs = {label: (a.environments[label], b.environments[label]) for label in shared}
    tested = _tested(pairs, alpha, power)
    rows = {label: _compared(*pairs[label], tested.get(label), alpha, power) for label in shared}
    warnings = [
        f"{name} is not finished, so its figures are those of what was played so far"
        for name, side in (("A", a), ("B", b))
        if not side.finished
    ]
    warnings += settings_that_differ(a.settings, b.settings, shared)
    for label, pair in pairs.items():
        warnings += [f"{label}: {text}" for text in concerns(*pair)]
    only_a = tuple(sorted(a.environments.keys() - pairs.keys()))
    only_b = tuple(sorted(b.environments.keys() - pairs.keys()))
    verdict = _overall(list(rows.values()))
    return Comparison(a, b, alpha, power, rows, only_a, only_b, tuple(warnings), verdict)


def _tested(
    pairs: Mapping[str, tuple[TaskResults, TaskResults]], alpha: float, power: float
) -> dict[str, Tested]:
    """Test each environment in which the runs share tasks; they are one family."""
    gains = {
        label: list(differences(a.scores, b.scores).values()) for label, (a, b) in pairs.items()
    }
    family = [label for label in pairs if gains[label]]
    found = {
        label: paired(pairs[label][0].scores, pairs[label][1].scores, 1 - alpha) for label in family
    }
    flips = {label: sign_flip(gains[label]) for label in family}
    adjusted = holm([max(found[label].p, flips[label]) for label in family])
    level = alpha / max(1, len(family))
    result = {}
    for label, p_holm in zip(family, adjusted, strict=True):
        deviation, tasks = spread(gains[label]), len(gains[label])
        detectable = None
        if deviation > 0.0:
            detectable = minimum_detectable(deviation, tasks, alpha=level, power=power)
        result[label] = Tested(found[label], flips[label], p_holm, level, detectable)
    return result


def _compared(
    a: TaskResults, b: TaskResults, tested: Tested | None, alpha: float, power: float
) -> Compared:
    shared = differences(a.scores, b.scores)
    scores = None
    if tested:
        first, second = ({task: side.scores[task] for task in shared} for side in (a, b))
        scores = score_interval(first, 1 - alpha), score_interval(second, 1 - alpha)
    better, verdict = _verdict(tested, alpha, power)
    return Compared(
        scores,
        tested,
        only_a=tuple(sorted(task for task in a.scores if a.scores[task] and task not in shared)),
        only_b=tuple(sorted(task for task in b.scores if b.scores[task] and task not in shared)),
        unscored=(a.unscored, b.unscored),
        diversity=(_diversity(a), _diversity(b)),
        better=better,
        verdict=verdict,
    )


def _diversity(results: TaskResults) -> Diversity | None:
    return None if results.solutions is None else diversity(results.solutions)


def _verdict(tested: Tested | None, alpha: float, power: float) -> tuple[Winner | None, str]:
    if tested is None:
        return None, "the runs have no scored task in common"
    found = tested.difference
    if tested.p_holm < alpha:
        name: Winner = "b" if found.mean > 0 else "a"
        low, high = sorted((abs(found.low), abs(found.high)))
        how = f"by {abs(found.mean):.3f} ({low:.3f} to {high:.3f})"
        if tested.detectable is None:
            how = f"by {abs(found.mean):.3f} on each of the {found.tasks} shared tasks"
        return name, f"{name.upper()} is better {how}"
    if tested.detectable is None and found.mean == 0.0:
        return None, f"no difference: the same score on each of the {found.tasks} shared tasks"
    fewest = _fewest(tested.level)
    if found.tasks < fewest or tested.detectable is None:
        few = f"{found.tasks} shared task{'s are' if found.tasks > 1 else ' is'}"
        return None, f"no difference shown: {few} too few to show one; take {fewest} or more"
    could = f"this comparison could have seen one of {tested.detectable:.3f} or more"
    return None, f"no difference shown; {could} (with a probability of {power:g})"


def _fewest(level: float) -> int:
    """Return how many tasks it takes until flips of signs can have a p below a level."""
    return next(tasks for tasks in range(1, 1000) if 2.0 ** (1 - tasks) < level)


def _overall(rows: Sequence[Compared]) -> str:
    if len(rows) == 1:
        return rows[0].verdict
    counts = Counter(row.better for row in rows)
    return (
        f"of {len(rows)} environments, B is better in {counts['b']} and A in {counts['a']}; no "
        f"difference is shown in {counts[None]}"
    )
