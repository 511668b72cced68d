"""What a reader of a run must not miss: faults, leaks, and what the report cannot show."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

__all__ = ["findings"]

Finding = tuple[str, str]
"""``alarm`` or ``note``, and a sentence."""

_MUCH = 0.05  # share of unscored or cut episodes that a score should not be read without
_STALE_GAP = 1.0  # nats by which sampler and learner may differ on one token


def findings(
    view: Mapping[str, Any],
    metrics: Sequence[Mapping[str, Any]],
    pages: int,
    has: Mapping[str, bool],
) -> list[Finding]:
    """Return what is worth a word, alarms first.

    Args:
        view: As `run_overview` returns it.
        metrics: A training's rows.
        pages: Episodes that have a page.
        has: What is there: ``tasks``, ``learned``, ``texts`` of tokens, room for ``more`` pages.
    """
    found = [*_leaks(view), *_faults(view), *_learning(metrics), *_missing(view, pages, has)]
    return sorted(found, key=lambda finding: finding[0])


def _leaks(view: Mapping[str, Any]) -> Iterator[Finding]:
    hygiene = view["hygiene"]
    if not hygiene:
        return
    compared, overlap = hygiene.get("compared") or [0, 0], hygiene.get("overlap", 0)
    if overlap:
        examples = ", ".join(map(str, (hygiene.get("examples") or [])[:3]))
        yield (
            "alarm",
            (
                f"{overlap} of {compared[1]} evaluation tasks are training tasks too "
                f"({examples}): the held-out score is not held out"
            ),
        )
    else:
        yield (
            "note",
            (f"no overlap between {compared[0]} training tasks and {compared[1]} evaluation tasks"),
        )


def _faults(view: Mapping[str, Any]) -> Iterator[Finding]:
    counts = view["counts"]
    total, errors = counts["all"], counts.get("error", 0)
    if errors:
        loud = view["kind"] == "eval" or errors > _MUCH * total
        yield (
            "alarm" if loud else "note",
            (
                f"{errors} of {total} episodes are unscored by faults that are not the model's; "
                "they are in no score"
            ),
        )
    if counts["cut"] > _MUCH * total:
        yield "alarm", f"a limit cut {counts['cut']} of {total} episodes, or a turn of them"
    if not view["finished"]:
        yield "note", "the run has not reached its end; this is what there is so far"


def _learning(metrics: Sequence[Mapping[str, Any]]) -> Iterator[Finding]:
    if not metrics:
        return
    gap = max((row.get("gap_max") or 0.0 for row in metrics), default=0.0)
    if gap > _STALE_GAP:
        yield "alarm", (f"sampler and learner differed by up to {gap:.2g} nats on one token")
    tail = metrics[-max(1, len(metrics) // 4) :]
    idle = sum(row.get("no_signal") or 0.0 for row in tail) / len(tail)
    if idle > 0.5:
        yield (
            "note",
            (
                f"{idle:.0%} of the groups of the last steps had no signal: all siblings got the "
                "same reward"
            ),
        )
    idle_steps = sum(not row.get("updated", True) for row in metrics)
    if idle_steps:
        yield "note", f"{idle_steps} of {len(metrics)} steps made no update"


def _missing(view: Mapping[str, Any], pages: int, has: Mapping[str, bool]) -> Iterator[Finding]:
    total = view["counts"]["all"]
    if pages < total:
        way = "--episodes asks for more" if has["more"] else "more would not fit into one file"
        yield (
            "note",
            (
                f"all {total} episodes are listed, {pages} have a page: the newest, those with "
                f"faults, and a sample; {way}"
            ),
        )
    if pages and not has["tasks"]:
        yield "note", "the run has no tasks.jsonl, so what was expected is not shown"
    if pages and view["kind"] == "train" and not has["learned"]:
        yield "note", "the run has no learned.jsonl, so what the gradient saw is not shown"
    if pages and not has["texts"]:
        yield "note", "no tokenizer was found in the run folder, so tokens are shown by their ids"
