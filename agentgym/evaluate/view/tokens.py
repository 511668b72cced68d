"""What the gradient saw of an episode, a line a token."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby
from typing import Any

from rich.text import Text

from agentgym.evaluate.view.plain import one_line
from agentgym.types import Episode, Sample

__all__ = ["tokens_page"]

_HEADER = " place mask  sampler  learner    ratio  advantage  token"


def tokens_page(
    episode: Episode,
    learned: Mapping[int, Mapping[str, Any]],
    texts: Mapping[int, str],
    whole: bool = True,
) -> list[Text]:
    """Return every token of every sample.

    Args:
        episode: It, with its samples.
        learned: Rows of ``learned.jsonl`` by the number of a sample.
        texts: Of token ids.
        whole: False puts tokens that were not sampled on one line where they stand together.
    """
    if not episode.samples:
        return [Text("This episode has no tokens: nothing was sampled, or they are not known.")]
    lines: list[Text] = []
    for number, sample in enumerate(episode.samples):
        row = learned.get(number)
        head = f"\u2500\u2500 sample {number + 1} of {len(episode.samples)} "
        lines.append(Text(head, style="bold"))
        lines[-1].append(one_line(f"agent {sample.agent}, weights {sample.version}", 80), "dim")
        lines += [_fate(row), Text(_HEADER, style="bold")]
        table = _tokens(sample, row or {}, texts)
        lines += [*(table if whole else _folded(table, sample.mask)), Text()]
    return lines


def _fate(row: Mapping[str, Any] | None) -> Text:
    if row is None:
        return Text("Nothing is known of what was learned from it.", style="dim")
    if row["dropped"]:
        return Text(f"NOT LEARNED FROM: {one_line(str(row['dropped']), 80)}", style="bold red")
    kept = row.get("kept")
    if kept and not all(kept):
        cut = len(kept) - sum(kept)
        return Text(f"learned from, but for {cut} tokens (mask x)", style="yellow")
    return Text("learned from", style="green")


def _tokens(sample: Sample, row: Mapping[str, Any], texts: Mapping[int, str]) -> Iterator[Text]:
    sampled = iter(range(sum(sample.mask)))
    whole = sum(sample.mask)
    logprobs, kept = (_column(row.get(name), whole) for name in ("logprobs", "kept"))
    advantage = row.get("advantage")
    worths = _column(advantage, whole) if isinstance(advantage, list) else [advantage] * whole
    for place, (token, mask, behaviour) in enumerate(
        zip(sample.ids, sample.mask, sample.logprobs, strict=True)
    ):
        text = one_line(texts.get(token, f"<{token}>"), 60)
        if not mask:
            yield Text(f"{place:6}    0{'':39}{text}", style="dim")
            continue
        at = next(sampled)
        line = Text(f"{place:6}    {'x' if kept[at] == 0 else '1'}")
        line.append(f" {behaviour:8.3f} {_number(logprobs[at], 8)}")
        line.append(f" {_ratio(logprobs[at], behaviour)}")
        line.append(f" {_number(worths[at], 10)}  ", style=_sign(worths[at]))
        line.append(text, style=f"{_sign(worths[at])} bold".strip())
        yield line


def _folded(table: Iterator[Text], mask: Sequence[int]) -> Iterator[Text]:
    """Yield the lines of sampled tokens, and one for each run of others."""
    for sampled, run in groupby(zip(table, mask, strict=True), key=lambda each: each[1]):
        lines = [line for line, _ in run]
        if sampled:
            yield from lines
        else:
            yield Text(f"       0    {len(lines):,} tokens that were not sampled", style="dim")


def _column(values: Sequence[Any] | None, count: int) -> Sequence[Any]:
    """Return one value a sampled token; none where they are not known, or of another sample."""
    return values if values is not None and len(values) == count else [None] * count


def _number(value: float | None, width: int) -> str:
    return f"{'-':>{width}}" if value is None else f"{value:{width}.3f}"


def _ratio(learner: float | None, behaviour: float) -> str:
    if learner is None:
        return f"{'-':>8}"
    return f"{math.exp(max(-20.0, min(learner - behaviour, 20.0))):8.4g}"


def _sign(advantage: float | None) -> str:
    if not advantage:
        return ""
    return "green" if advantage > 0 else "red"
