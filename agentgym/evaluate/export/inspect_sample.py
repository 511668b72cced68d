"""One episode as a sample of an Inspect log: messages, scores, and the events of its transcript."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any

from agentgym.evaluate.export.conversation import Line, conversation
from agentgym.evaluate.export.plain import json_text
from agentgym.evaluate.saved import SavedEpisode, SavedTask
from agentgym.types import Episode, Turn

__all__ = ["Place", "sample_of", "summary_of"]

_LIMITS = {"turns": "turn", "context": "context", "tokens": "token"}
_LONGEST = 1000  # characters of a summary's texts

_IN_SUMMARY = (
    *("id", "epoch", "uuid", "target", "metadata", "model_usage", "started_at", "completed_at"),
    *("total_time", "working_time", "turn_count"),
)


@dataclass(frozen=True, slots=True)
class Place:
    """Where a sample stands in its log.

    Attributes:
        id: Of the task.
        epoch: Which of its samples it is, from 1.
        uuid: Unique in the world.
        began: When the run was begun.
    """

    id: str
    epoch: int
    uuid: str
    began: datetime


def sample_of(
    saved: SavedEpisode,
    place: Place,
    task: SavedTask | None,
    model: str,
    tools: Sequence[Mapping[str, Any]],
) -> dict[str, Any]:
    """Return an episode as a sample.

    Args:
        saved: The episode.
        place: Of the sample.
        task: What is on record of its task.
        model: Who spoke.
        tools: JSON schemas of the environment's tools.
    """
    episode = saved.episode
    made = _Sample(episode, place, model, [tool.get("function", tool) for tool in tools])
    first = next((n for n, line in enumerate(made.lines) if line.turn is not None), None)
    seconds = sum(turn.sample_s + turn.env_s for turn in episode.turns)
    sample: dict[str, Any] = {
        "id": place.id,
        "epoch": place.epoch,
        "uuid": place.uuid,
        "input": made.messages[:first] or (task.prompt if task else ""),
        "target": "" if task is None or task.gold is None else _gold(task.gold),
        "messages": made.messages,
        "output": made.outputs[-1] if made.outputs else {"model": model, "choices": []},
        "metadata": _metadata(saved, task),
        "model_usage": {model: _usage(episode.turns)},
        "started_at": place.began.isoformat(),
        "completed_at": (place.began + timedelta(seconds=seconds)).isoformat(),
        "total_time": seconds,
        "working_time": seconds,
        "turn_count": len(episode.turns),
        "events_data": {"messages": made.messages, "calls": []},
        **_end(episode),
    }
    sample["events"] = list(made.events(sample))
    return sample


def _metadata(saved: SavedEpisode, task: SavedTask | None) -> dict[str, Any]:
    episode = saved.episode
    return {
        "env": saved.env,
        "task_id": episode.task_id,
        "step": saved.step,
        "index": episode.index,
        "seed": episode.seed,
        "attempts": episode.attempts,
        "hash": task.hash if task else None,
    }


def _end(episode: Episode) -> dict[str, Any]:
    """Return how the sample ended: its error, or its score, and the limit if one ended it."""
    if episode.reward is None:
        error = {"message": episode.reason, "traceback": "", "traceback_ansi": ""}
        return {"scores": {}, "error": error}
    verdict = episode.verdict
    rules = [asdict(rule) for rule in verdict.rules] if verdict else []
    score: dict[str, Any] = {"value": episode.reward, "explanation": episode.reason}
    score["metadata"] = {"rules": rules}
    if verdict and verdict.extracted is not None:
        score["answer"] = verdict.extracted
    end: dict[str, Any] = {"scores": {"reward": score}}
    if episode.limit:
        kind = _LIMITS.get(episode.limit, "custom")
        end["limit"] = {"type": kind, "limit": len(episode.turns), "reason": episode.reason}
    return end


def summary_of(sample: Mapping[str, Any]) -> dict[str, Any]:
    """Return the row of a sample in the list of them all: no conversation, texts cut short."""
    row = {name: sample[name] for name in _IN_SUMMARY}
    given = sample["input"]
    row["input"] = _cut(given) if isinstance(given, str) else _cut(given[-1]["content"])
    row["target"] = _cut(sample["target"])
    row["scores"] = {
        name: {key: _cut(score[key]) for key in ("value", "answer", "explanation") if key in score}
        for name, score in sample["scores"].items()
    }
    row |= {"completed": True, "message_count": len(sample["messages"])}
    if "error" in sample:
        row["error"] = _cut(sample["error"]["message"])
    if "limit" in sample:
        row |= {"limit": sample["limit"]["type"], "limit_reason": _cut(sample["limit"]["reason"])}
    return row


class _Sample:
    """An episode's messages and what each turn put out, as Inspect has them."""

    def __init__(
        self, episode: Episode, place: Place, model: str, tools: Sequence[Mapping[str, Any]]
    ) -> None:
        self.turns = episode.turns
        self.lines = conversation(episode)
        self.results = {line.answers: line.content for line in self.lines if line.answers}
        self.began = place.began
        self.model = model
        self.tools = [
            {key: tool[key] for key in ("name", "description", "parameters") if key in tool}
            for tool in tools
        ]
        self.messages = [
            self._message(line, f"{place.uuid}-{number}") for number, line in enumerate(self.lines)
        ]
        self.outputs = [
            _output(model, message, self.turns[line.turn])
            for line, message in zip(self.lines, self.messages, strict=True)
            if line.turn is not None
        ]

    def _message(self, line: Line, message_id: str) -> dict[str, Any]:
        message: dict[str, Any] = {"id": message_id, "role": line.role, "content": line.content}
        if line.turn is not None:
            message |= {"source": "generate", "model": self.model}
        if line.calls:
            message["tool_calls"] = [
                {
                    "id": call.id,
                    "function": call.name,
                    "arguments": dict(call.arguments),
                    "type": "function",
                }
                for call in line.calls
            ]
        if line.role == "tool":
            message |= {"function": line.name} if line.name else {}
            message |= {"tool_call_id": line.answers} if line.answers else {}
        return message

    def events(self, sample: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
        """Yield the transcript: the beginning, each turn and its calls, the end."""
        number, seconds = 0, 0.0

        def event(kind: str, at: float, **fields: Any) -> dict[str, Any]:
            nonlocal number
            number += 1
            when = (self.began + timedelta(seconds=at)).isoformat()
            base = {"uuid": f"{sample['uuid']}-e{number}", "event": kind}
            return {**base, "timestamp": when, "working_start": at, **fields}

        asked = {key: sample[key] for key in ("id", "input", "target")}
        yield event("sample_init", 0.0, sample=asked, state={})
        for position, line in enumerate(self.lines):
            if line.turn is None:
                continue
            turn = self.turns[line.turn]
            yield event(
                "model", seconds, model=self.model, input=[], input_refs=[[0, position]],
                tools=self.tools, tool_choice="auto", config={}, working_time=turn.sample_s,
                output=self.outputs[line.turn],
                completed=(self.began + timedelta(seconds=seconds + turn.sample_s)).isoformat(),
            )  # fmt: skip
            seconds += turn.sample_s
            for call in line.calls:
                said = self.results.get(call.id, turn.observation)
                yield event(
                    "tool", seconds, id=call.id, function=call.name, result=said,
                    arguments=dict(call.arguments), working_time=turn.env_s / len(line.calls),
                    completed=(self.began + timedelta(seconds=seconds + turn.env_s)).isoformat(),
                )  # fmt: skip
            seconds += turn.env_s
        if "limit" in sample and sample["limit"]["type"] != "context":  # which an event cannot be
            limit = sample["limit"]
            yield event(
                "sample_limit", seconds, type=limit["type"], message=limit["reason"],
                limit=limit["limit"],
            )  # fmt: skip
        for score in sample["scores"].values():
            yield event("score", seconds, score=score, target=sample["target"], scorer="reward")
        if "error" in sample:
            yield event("error", seconds, error=sample["error"])


def _output(model: str, message: Mapping[str, Any], turn: Turn) -> dict[str, Any]:
    stop = "max_tokens" if turn.finish_reason == "length" else "stop"
    if "tool_calls" in message:
        stop = "tool_calls"
    return {
        "model": model,
        "choices": [{"message": message, "stop_reason": stop}],
        "completion": message["content"],
        "usage": _usage([turn]),
        "time": turn.sample_s,
    }


def _usage(turns: Sequence[Turn]) -> dict[str, int]:
    read = sum(turn.prompt_tokens for turn in turns)
    wrote = sum(turn.sampled_tokens for turn in turns)
    return {"input_tokens": read, "output_tokens": wrote, "total_tokens": read + wrote}


def _gold(gold: Any) -> str:
    return gold if isinstance(gold, str) else json_text(gold)


def _cut(value: Any) -> Any:
    return value[:_LONGEST] if isinstance(value, str) else value
