"""What a report says first: what ran, how well, and what went wrong."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from statistics import fmean
from typing import Any

from agentgym.evaluate.report.catalogue import Entry
from agentgym.evaluate.saved import SavedRun
from agentgym.evaluate.statistics import ends, score_interval

__all__ = ["run_overview", "scores_by_task"]


def run_overview(run: SavedRun, entries: Sequence[Entry]) -> dict[str, Any]:
    """Return what the first page says of one run.

    Args:
        run: The folder.
        entries: All of its episodes.
    """
    summary = run.summary()
    view: dict[str, Any] = {
        "name": run.name,
        "kind": run.kind,
        "what": _what(run),
        "finished": summary is not None,
        "stopped": (summary or {}).get("finished") is False,
        "cost_usd": (summary or {}).get("cost_usd"),
        "settings": _settings(run.config),
        "counts": _counts(entries),
        "reasons": Counter(e.reason for e in entries if e.outcome == "error").most_common(8),
        "blocks": _blocks(entries, summary) if run.kind == "eval" else [],
        "training": _training(run, summary) if run.kind == "train" else None,
        "hygiene": (summary or {}).get("hygiene"),
        "wall_s": _seconds((summary or {}).get("wall_s")),
    }
    return view


def _what(run: SavedRun) -> str:
    config = run.config
    if run.kind == "eval":
        return f"evaluation of {config['policy']}"
    return f"training of {config.get('model')} on {config['env']} by {config['algorithm']}"


def _settings(config: Mapping[str, Any]) -> list[list[str]]:
    """Return the settings as texts; those that nobody set stand last."""
    rows = [
        [str(name), value if isinstance(value, str) else json.dumps(value)]
        for name, value in config.items()
        if value is not None
    ]
    unset = [str(name) for name, value in config.items() if value is None]
    return [*rows, *([["not set", ", ".join(unset)]] if unset else [])]


def _counts(entries: Sequence[Entry]) -> dict[str, int]:
    counts = Counter[str](entry.outcome for entry in entries)
    counts["cut"] = sum(entry.cut for entry in entries)
    counts["all"] = len(entries)
    counts["tokens"] = sum(entry.tokens for entry in entries)
    counts["tasks"] = len({(entry.env, entry.task_id) for entry in entries})
    return dict(counts)


def _seconds(value: Any) -> float | None:
    if isinstance(value, Mapping):
        value = value.get("total")
    return float(value) if isinstance(value, int | float) else None


def _blocks(entries: Sequence[Entry], summary: Mapping[str, Any] | None) -> list[dict[str, Any]]:
    """Return a block an environment: counted from the episodes, or as the summary has it."""
    by_env: dict[str, list[Entry]] = defaultdict(list)
    for entry in entries:
        by_env[entry.env].append(entry)
    told = (summary or {}).get("environments") or {}
    if summary and not told and len(by_env) == 1:  # of before there were suites
        told = {next(iter(by_env)): {**summary, "score": _flat_score(summary)}}
    return [_block(env, by_env.get(env, []), told.get(env)) for env in {**told, **by_env}]


def _flat_score(summary: Mapping[str, Any]) -> dict[str, Any] | None:
    if summary.get("mean") is None:
        return None
    return {"mean": summary["mean"], "ci95": summary.get("ci95")}


def _block(env: str, entries: Sequence[Entry], told: Mapping[str, Any] | None) -> dict[str, Any]:
    scored = [entry for entry in entries if entry.reward is not None]
    counted: dict[str, Any] = {
        "score": _score(scores_by_task(scored)),
        "tasks": len({entry.task_id for entry in entries}),
        "scored": len(scored),
        "errors": len(entries) - len(scored),
        "limits": sum(entry.outcome == "limit" for entry in entries),
        "turns": fmean(entry.turns for entry in scored) if scored else None,
        "sampled": sum(entry.tokens for entry in entries),
    }
    if told is None:
        return {"env": env, **counted}
    kept = ("split", "tasks", "scored", "errors", "turns", "rollouts", "wall_s")
    block = counted | {name: told[name] for name in kept if told.get(name) is not None}
    if told.get("score"):
        mean, ends = told["score"].get("mean"), told["score"].get("ci95") or [None, None]
        block["score"] = [mean, *ends]
    tries = {**(told.get("pass_at_k") or {})}
    hats = told.get("pass_hat_k") or {}
    block["passes"] = [[k, _number(tries[k]), _number(hats.get(k))] for k in tries]
    return {"env": env, **block}


def _number(value: Any) -> Any:
    """Return a figure, alone or of an object that has its interval too."""
    return value.get("mean") if isinstance(value, Mapping) else value


def scores_by_task(entries: Sequence[Entry]) -> dict[str, list[float]]:
    """Return the rewards of the scored episodes, task by task."""
    scores: dict[str, list[float]] = defaultdict(list)
    for entry in entries:
        if entry.reward is not None:
            scores[entry.task_id].append(entry.reward)
    return dict(scores)


def _score(scores: Mapping[str, Sequence[float]]) -> list[float | None] | None:
    if not scores:
        return None
    found = score_interval(scores)
    return [found.mean, *ends(found)]


def _training(run: SavedRun, summary: Mapping[str, Any] | None) -> dict[str, Any]:
    """Return how the held-out score went, as the summary has it or from what there is so far."""
    metrics, evaluations = run.metrics(), run.evaluations()
    view: dict[str, Any] = {
        "steps": metrics[-1]["step"] if metrics else 0,
        "wanted": run.config.get("steps"),
        "reward": [metrics[0].get("reward"), metrics[-1].get("reward")] if metrics else None,
        "unscored_evaluations": sum(row.get("unscored", 0) for row in evaluations),
    }
    for when, row in (("before", evaluations[:1]), ("after", evaluations[1:][-1:])):
        told = (summary or {}).get(when)
        if told and told.get("mean") is not None:
            view[when] = [told["mean"], *(told.get("ci95") or [None, None])]
        elif row and row[0].get("rewards"):
            view[when] = _score(row[0]["rewards"])
    gain = (summary or {}).get("gain")
    if gain and gain.get("mean") is not None:
        view["gain"] = [gain["mean"], *(gain.get("ci95") or [None, None]), gain.get("p")]
    return view
