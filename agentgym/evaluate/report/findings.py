"""What a reader of a run must not miss: leaks, faults, and what the report cannot show."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

__all__ = ["findings"]

Finding = tuple[str, str]
"""``alarm`` or ``note``, and a sentence."""

_MUCH = 0.05  # share of unscored or cut episodes that a score should not be read without
_FAR = 1.0  # nats by which sampler and learner differ on one token, and should not
_IDLE = 0.5  # share of groups without a signal that is worth a word


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
    leaks = _leaks(view["hygiene"]) if view["hygiene"] else ()
    learning = _learning(metrics) if metrics else ()
    found = [*leaks, *_faults(view), *learning, *_missing(view, pages, has)]
    return sorted(found, key=lambda finding: finding[0])


def _leaks(hygiene: Mapping[str, Any]) -> Iterator[Finding]:
    training, evaluation = hygiene.get("compared") or (0, 0)
    if overlap := hygiene.get("overlap"):
        text = f"{overlap} of {evaluation} evaluation tasks are training tasks too"
        examples = ", ".join(map(str, (hygiene.get("examples") or [])[:3]))
        yield "alarm", f"{text} ({examples}): the held-out score is not held out"
    else:
        text = f"no overlap between {training} training tasks and {evaluation} evaluation tasks"
        yield "note", text
    if alike := hygiene.get("same_prompt"):
        text = f"{alike} of {evaluation} evaluation tasks have the prompt of a training task"
        yield "note", f"{text}, but another answer or other metadata"


def _faults(view: Mapping[str, Any]) -> Iterator[Finding]:
    counts = view["counts"]
    total, errors, cut = counts["all"], counts.get("error", 0), counts["cut"]
    if errors:
        loud = view["kind"] == "eval" or errors > _MUCH * total
        text = f"{errors} of {total} episodes are unscored by faults that are not the model's"
        yield "alarm" if loud else "note", f"{text}; they are in no score"
    if cut > _MUCH * total:
        yield "alarm", f"a limit cut {cut} of {total} episodes, or a turn of them"
    if view["stopped"]:
        yield "alarm", "the run was stopped by its limit of cost; what it did not play is missing"
    if not view["finished"]:
        yield "note", "the run has not reached its end; this is what there is so far"


def _learning(metrics: Sequence[Mapping[str, Any]]) -> Iterator[Finding]:
    gap = max(row.get("gap_max") or 0.0 for row in metrics)
    if gap > _FAR:
        yield "alarm", f"sampler and learner differed by up to {gap:.2g} nats on one token"
    tail = metrics[-max(1, len(metrics) // 4) :]
    idle = sum(row.get("no_signal") or 0.0 for row in tail) / len(tail)
    if idle > _IDLE:
        text = f"{idle:.0%} of the groups of the last {len(tail)} steps had no signal"
        yield "note", f"{text}: all siblings got the same reward"
    if still := sum(not row.get("updated", True) for row in metrics):
        yield "note", f"{still} of {len(metrics)} steps made no update"


def _missing(view: Mapping[str, Any], pages: int, has: Mapping[str, bool]) -> Iterator[Finding]:
    total = view["counts"]["all"]
    if pages < total:
        way = "--episodes asks for more" if has["more"] else "more would not fit into one file"
        text = f"all {total} episodes are listed, {pages} have a page"
        yield "note", f"{text}: the newest, those with faults, and a sample; {way}"
    if pages and not has["tasks"]:
        yield "note", "the run has no tasks.jsonl, so what was expected is not shown"
    if pages and view["kind"] == "train" and not has["learned"]:
        yield "note", "the run has no learned.jsonl, so what the gradient saw is not shown"
    if pages and not has["texts"]:
        yield "note", "no tokenizer was found in the run folder, so tokens are shown by their ids"
