"""Each later run beside the first, as `agentgym compare` finds them."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from typing import Any

from agentgym.errors import AgentGymError
from agentgym.evaluate.compare import compare_results
from agentgym.evaluate.comparison import Compared
from agentgym.evaluate.report.catalogue import Entry
from agentgym.evaluate.report.overview import scores_by_task
from agentgym.evaluate.results import Results, TaskResults, open_results
from agentgym.evaluate.saved import SavedRun
from agentgym.evaluate.statistics import ends

__all__ = ["comparisons", "results_of"]


def results_of(run: SavedRun, entries: Sequence[Entry]) -> Results | None:
    """Return what a run came to: of a training, by its last evaluation; None where there is none.

    Args:
        run: The folder.
        entries: All of its episodes, which are not read again.
    """
    if run.kind == "train":
        return open_results(run.path) if run.evaluations() else None
    by_env: dict[str, list[Entry]] = defaultdict(list)
    for entry in entries:
        by_env[entry.env].append(entry)
    hashes: dict[str, dict[str, str]] = defaultdict(dict)
    for (env, task_id), task in run.tasks().items():
        hashes[env][task_id] = task.hash
    found = {env: _results(rows, hashes[env]) for env, rows in by_env.items()}
    return Results(run.name, str(run.config["policy"]), run.config, found) if found else None


def _results(entries: Sequence[Entry], hashes: dict[str, str]) -> TaskResults:
    errors = Counter(entry.task_id for entry in entries if entry.reward is None)
    scores: dict[str, list[float]] = {entry.task_id: [] for entry in entries}
    scores |= scores_by_task(entries)
    return TaskResults(scores, errors, errors.total(), hashes)


def comparisons(results: Sequence[Results | None]) -> list[dict[str, Any]]:
    """Return what is found of each later run beside the first, where they can be compared.

    Args:
        results: As `results_of` returns them, a run each.
    """
    rows = []
    for number, second in enumerate(results[1:], 1):
        if results[0] is None or second is None:
            continue
        try:
            found = compare_results(results[0], second)
        except AgentGymError:  # they have no environment in common
            continue
        environments = [_row(env, each) for env, each in found.environments.items()]
        rows.append({"run": number, "verdict": found.verdict, "warnings": list(found.warnings),
                     "environments": environments})  # fmt: skip
    return rows


def _row(env: str, compared: Compared) -> dict[str, Any]:
    row = {"env": env, "verdict": compared.verdict, "only": [len(compared.only_a),
           len(compared.only_b)]}  # fmt: skip
    tested = compared.tested
    if tested is None:
        return row
    gap = tested.difference
    return row | {"gain": [gap.mean, *ends(gap)], "p": tested.p_holm, "tasks": gap.tasks}
