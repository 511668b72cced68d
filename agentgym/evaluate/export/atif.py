"""Harbor's Agent Trajectory Interchange Format, version 1.8: one trajectory a line.

Every turn of a model has its token ids and log-probabilities. Prompts are told once: at the first
turn of a sample as ``prompt_token_ids``, then by what was added, ``metrics.extra``'s
``appended_token_ids``: prompt(t) = prompt(t - 1) + completion(t - 1) + appended(t).

Left out: episodes without messages, since a trajectory has at least one step; times of day, since
a run has none.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from agentgym.evaluate.export.conversation import Line, conversation
from agentgym.evaluate.export.plain import json_bytes
from agentgym.evaluate.export.source import Source, agentgym_version, fresh, outcome
from agentgym.evaluate.export.tokens import Tokens, tokens
from agentgym.evaluate.saved import SavedEpisode
from agentgym.types import Episode, Turn

__all__ = ["write_atif"]

_SOURCES = {"system": "system", "user": "user", "tool": "user", "assistant": "agent"}


def write_atif(source: Source, out: Path) -> int:
    """Write a trajectory a line; return how many."""
    count = 0
    with fresh(out) as file:
        for saved in source.episodes(with_samples=True):
            if saved.episode.messages:
                file.write(json_bytes(_trajectory(source, saved)) + b"\n")
                count += 1
    return count


def _trajectory(source: Source, saved: SavedEpisode) -> dict[str, Any]:
    episode = saved.episode
    agent: dict[str, Any] = {
        "name": "agentgym",
        "version": agentgym_version(),
        "model_name": source.model,
    }
    if tools := source.tools.get(saved.env):
        agent["tool_definitions"] = [dict(tool) for tool in tools]
    steps = list(_steps(episode))
    task = source.task(saved)
    return {
        "schema_version": "ATIF-v1.8",
        "session_id": source.run.name,
        "trajectory_id": f"{saved.env}/{saved.step}/{episode.task_id}/{episode.index}",
        "agent": agent,
        "steps": steps,
        "final_metrics": {
            "total_prompt_tokens": sum(turn.prompt_tokens for turn in episode.turns),
            "total_completion_tokens": sum(turn.sampled_tokens for turn in episode.turns),
            "total_steps": len(steps),
        },
        "extra": {
            "env": saved.env,
            "step": saved.step,
            "task_id": episode.task_id,
            "task_hash": task.hash if task else None,
            "index": episode.index,
            "seed": episode.seed,
            "outcome": outcome(saved),
            "reward": episode.reward,
            "reason": episode.reason,
            "verdict": asdict(episode.verdict) if episode.verdict else None,
            "limit": episode.limit,
            "attempts": episode.attempts,
        },
    }


def _steps(episode: Episode) -> Iterator[dict[str, Any]]:
    """Yield steps: a turn of the agent together with what the tools answered it."""
    lines = conversation(episode)
    sampled = tokens(episode)
    number, position = 0, 0
    while position < len(lines):
        line = lines[position]
        number, position = number + 1, position + 1
        step: dict[str, Any] = {
            "step_id": number,
            "source": _SOURCES[line.role],
            "message": line.content,
        }
        if line.turn is not None:
            results = _results(lines, position)
            position += len(results)
            turn = episode.turns[line.turn]
            step |= _turn(line, results, turn, sampled[line.turn], position == len(lines))
        elif line.role == "assistant":
            step["is_copied_context"] = True  # an example that the environment showed
        yield step


def _results(lines: Sequence[Line], position: int) -> list[Line]:
    found = []
    while position < len(lines) and lines[position].role == "tool":
        found.append(lines[position])
        position += 1
    return found


def _turn(
    line: Line, results: Sequence[Line], turn: Turn, sampled: Tokens | None, is_last: bool
) -> dict[str, Any]:
    step: dict[str, Any] = {"llm_call_count": 1, "metrics": _metrics(turn, sampled)}
    if line.calls:
        step["tool_calls"] = [
            {
                "tool_call_id": call.id,
                "function_name": call.name,
                "arguments": dict(call.arguments),
            }
            for call in line.calls
        ]
    told: list[dict[str, Any]] = [
        {"content": result.content} | ({"source_call_id": result.answers} if result.answers else {})
        for result in results
    ]
    if is_last and not results and turn.observation:  # no message of the episode has it
        only = len(line.calls) == 1
        told = [
            {"content": turn.observation} | ({"source_call_id": line.calls[0].id} if only else {})
        ]
    if told:
        step["observation"] = {"results": told}
    step["extra"] = {"sample_s": turn.sample_s, "env_s": turn.env_s}
    return step


def _metrics(turn: Turn, sampled: Tokens | None) -> dict[str, Any]:
    metrics: dict[str, Any] = {
        "prompt_tokens": turn.prompt_tokens,
        "completion_tokens": turn.sampled_tokens,
    }
    extra: dict[str, Any] = {"finish_reason": turn.finish_reason}
    if sampled is not None:
        metrics["completion_token_ids"] = sampled.ids
        if sampled.logprobs is not None:
            metrics["logprobs"] = sampled.logprobs
        extra |= {"sample": sampled.sample, "version": sampled.version}
        if len(sampled.before) == turn.prompt_tokens:
            metrics["prompt_token_ids"] = sampled.before
        else:
            extra["appended_token_ids"] = sampled.before
    metrics["extra"] = extra
    return metrics
