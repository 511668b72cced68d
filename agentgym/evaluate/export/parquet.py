"""Apache Parquet: one row an episode, by pyarrow.

Columns are flat but for the messages, the rules and the tokens. Arguments of tool calls and the
gold are JSON texts: as structs, the columns of all tools would be merged into one. Token columns
have a list for each sample; they are null where a policy worked on text.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

from agentgym.errors import MissingExtra
from agentgym.evaluate.export.conversation import Line, conversation
from agentgym.evaluate.export.plain import json_text, plain_value
from agentgym.evaluate.export.source import Source, fresh, outcome
from agentgym.evaluate.export.tokens import is_text_only
from agentgym.evaluate.saved import SavedEpisode
from agentgym.types import Episode

__all__ = ["write_parquet"]

_ROWS, _TOKENS = 256, 1_000_000  # of a row group, at most: it is held in memory


def write_parquet(source: Source, out: Path) -> int:
    """Write a row an episode; return how many.

    Raises:
        MissingExtra: If pyarrow is not installed.
    """
    try:
        import pyarrow as pa
        import pyarrow.parquet as pq
    except ModuleNotFoundError as error:
        raise MissingExtra("pyarrow", "parquet") from error
    schema = _schema(pa)
    count = 0
    with fresh(out) as file, pq.ParquetWriter(file, schema, compression="zstd") as writer:
        for rows in _batches(_row(source, saved) for saved in source.episodes(with_samples=True)):
            writer.write_table(pa.Table.from_pylist(rows, schema=schema))
            count += len(rows)
    return count


def _schema(pa: Any) -> Any:
    text, whole, number, flag = pa.string(), pa.int64(), pa.float64(), pa.bool_()
    call = pa.struct([("id", text), ("name", text), ("arguments", text)])
    message = [("role", text), ("content", text), ("name", text)]
    message += [("tool_calls", pa.list_(call)), ("tool_call_id", text)]
    rule = [("name", text), ("score", number), ("weight", number), ("reason", text)]
    columns = {
        **dict.fromkeys(("run", "model", "env", "task_id", "split", "task_hash", "gold"), text),
        **dict.fromkeys(("step", "index", "seed"), whole),
        **dict.fromkeys(("outcome", "reason", "extracted", "limit"), text),
        "reward": number,
        **dict.fromkeys(("terminated", "truncated"), flag),
        **dict.fromkeys(("attempts", "turns", "prompt_tokens", "sampled_tokens"), whole),
        **dict.fromkeys(("sample_s", "env_s"), number),
        "rules": pa.list_(pa.struct(rule)),
        "messages": pa.list_(pa.struct(message)),
        "token_ids": pa.list_(pa.list_(pa.int32())),
        "mask": pa.list_(pa.list_(pa.int8())),
        "logprobs": pa.list_(pa.list_(number)),
        "sample_versions": pa.list_(whole),
    }
    return pa.schema(list(columns.items()))


def _batches(rows: Iterable[dict[str, Any]]) -> Iterator[list[dict[str, Any]]]:
    batch: list[dict[str, Any]] = []
    held = 0
    for row in rows:
        batch.append(row)
        held += sum(map(len, row["token_ids"] or ()))
        if len(batch) >= _ROWS or held >= _TOKENS:
            yield batch
            batch, held = [], 0
    if batch:
        yield batch


def _row(source: Source, saved: SavedEpisode) -> dict[str, Any]:
    episode, task = saved.episode, source.task(saved)
    verdict, turns = episode.verdict, episode.turns
    row = {
        "run": source.run.name,
        "model": source.model,
        "env": saved.env,
        "task_id": episode.task_id,
        "split": task.split if task else None,
        "task_hash": task.hash if task else None,
        "gold": json_text(task.gold) if task else None,
        "step": saved.step,
        "index": episode.index,
        "seed": episode.seed,
        "outcome": outcome(saved),
        "reason": episode.reason,
        "extracted": verdict.extracted if verdict else None,
        "limit": episode.limit,
        "reward": episode.reward,
        "terminated": episode.terminated,
        "truncated": episode.truncated,
        "attempts": episode.attempts,
        "turns": len(turns),
        "prompt_tokens": sum(turn.prompt_tokens for turn in turns),
        "sampled_tokens": sum(turn.sampled_tokens for turn in turns),
        "sample_s": sum(turn.sample_s for turn in turns),
        "env_s": sum(turn.env_s for turn in turns),
        "rules": [asdict(rule) for rule in verdict.rules] if verdict else None,
        "messages": [_message(line) for line in conversation(episode)],
    }
    return {**plain_value(row), **_tokens(episode)}


def _message(line: Line) -> dict[str, Any]:
    calls = [
        {"id": call.id, "name": call.name, "arguments": json_text(dict(call.arguments))}
        for call in line.calls
    ]
    return {
        "role": line.role,
        "content": line.content,
        "name": line.name,
        "tool_calls": calls or None,
        "tool_call_id": line.answers or None,
    }


def _tokens(episode: Episode) -> dict[str, Any]:
    samples = episode.samples
    if not samples or all(map(is_text_only, samples)):
        return dict.fromkeys(("token_ids", "mask", "logprobs", "sample_versions"))
    return {
        "token_ids": [sample.ids for sample in samples],
        "mask": [sample.mask for sample in samples],
        "logprobs": [sample.logprobs for sample in samples],
        "sample_versions": [sample.version for sample in samples],
    }
