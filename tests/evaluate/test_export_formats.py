"""Runs exported and read back by the programs that the formats belong to."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cart_env  # noqa: F401 - registers demo/Cart-v0
import pyarrow.parquet as pq
import pytest
from inspect_ai.log import (
    EvalLog,
    list_eval_logs,
    read_eval_log,
    read_eval_log_sample,
    read_eval_log_sample_summaries,
)
from made_runs import HOSTILE, write_eval_run, write_train_run

from agentgym.errors import ConfigError, MissingExtra, RunError
from agentgym.evaluate.export import parquet
from agentgym.evaluate.export.formats import FORMATS, export
from agentgym.evaluate.export.plain import plain_text, plain_value
from agentgym.evaluate.export.source import Source
from agentgym.evaluate.saved import SavedRun, open_run
from agentgym.registry import make

ENVS = ("demo/Shop-v0", "demo/Other-v0")
TOOLS = {"demo/Shop-v0": make("demo/Cart-v0").unwrapped.tools}


@pytest.fixture(params=["eval", "train"])
def run(request: pytest.FixtureRequest, tmp_path: Path) -> SavedRun:
    """A run of 24 episodes, 3 of them unscored, the first group hostile."""
    if request.param == "eval":
        return open_run(write_eval_run(tmp_path / "run", envs=ENVS, tasks=4, hostile=True))
    return open_run(write_train_run(tmp_path / "run", hostile=True))


def written(run: SavedRun, to: str, **how: Any) -> Path:
    made = export(Source(run, tools=TOOLS, **how), to)
    assert made.path == run.path / "export" / FORMATS[to].name
    return made.path


def rows_of(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text("utf-8").split("\n")[:-1]]


def test_export_to_atif_is_read_by_its_models(run: SavedRun) -> None:
    atif = pytest.importorskip("atif")
    for line, saved in zip(
        written(run, "atif").read_bytes().split(b"\n")[:-1], run.episodes(), strict=True
    ):
        read = atif.Trajectory.model_validate_json(line)
        episode = saved.episode
        assert read.schema_version == "ATIF-v1.8"
        assert read.extra["task_id"] == plain_text(episode.task_id)
        assert read.extra["reward"] == episode.reward
        assert read.final_metrics.total_steps == len(read.steps)
        agent = [step for step in read.steps if step.source == "agent"]
        assert [step.metrics.completion_tokens for step in agent] == [
            turn.sampled_tokens for turn in episode.turns
        ]
        for step in agent:
            known = {call.tool_call_id for call in step.tool_calls or ()}
            told = step.observation.results if step.observation else ()
            assert {each.source_call_id for each in told} <= known | {None}


def test_export_to_atif_holds_every_token_once(run: SavedRun) -> None:
    for row, saved in zip(rows_of(written(run, "atif")), run.episodes(), strict=True):
        ids: list[int] = []
        logprobs: list[float] = []
        for step in row["steps"]:
            metrics = step.get("metrics")
            if metrics is None:
                continue
            if "prompt_token_ids" in metrics:
                ids = list(metrics["prompt_token_ids"])
            else:
                ids += metrics["extra"]["appended_token_ids"]
            assert len(ids) == metrics["prompt_tokens"]
            ids += metrics["completion_token_ids"]
            logprobs += metrics["logprobs"]
        last = saved.episode.samples[-1]
        assert tuple(ids) == last.ids[: len(ids)]
        assert not any(last.mask[len(ids) :])
        sampled = [
            p
            for sample in saved.episode.samples
            for p, mask in zip(sample.logprobs, sample.mask, strict=True)
            if mask
        ]
        assert logprobs == sampled


def check_conversation(row: dict[str, Any]) -> None:
    """Hold a line against OpenAI's rules for conversations to fine-tune with."""
    assert set(row) <= {"messages", "tools"}
    waiting: set[str] = set()
    for message in row["messages"]:
        role = message["role"]
        assert role in ("system", "user", "assistant", "tool")
        if role == "tool":
            assert set(message) == {"role", "content", "tool_call_id"}
            waiting.remove(message["tool_call_id"])  # answered once, and called before
            continue
        assert not waiting, "a call without its result"
        calls = message.get("tool_calls", [])
        if role != "assistant" or not calls:
            assert set(message) == {"role", "content"}
            assert isinstance(message["content"], str)
        for call in calls:
            assert call["type"] == "function"
            assert re.fullmatch(r"[a-zA-Z0-9_-]{1,64}", call["function"]["name"])
            assert isinstance(json.loads(call["function"]["arguments"]), dict)
            waiting.add(call["id"])
        assert len(waiting) == len(calls)
    assert row["messages"][-1]["role"] == "assistant"
    for tool in row.get("tools", []):
        assert tool["type"] == "function"
        assert tool["function"]["parameters"]["type"] == "object"


def test_export_to_openai_keeps_to_the_format(run: SavedRun) -> None:
    rows = rows_of(written(run, "openai"))
    assert len(rows) == 24
    for row in rows:
        check_conversation(row)
    plain = rows[-1]["messages"]
    assert [message["role"] for message in plain[:4]] == ["system", "user", "assistant", "tool"]
    assert plain[2]["tool_calls"][0]["function"] == {
        "name": "add",
        "arguments": '{"item": "pear", "count": 0}',
    }
    assert "<tool_call>" not in plain[2]["content"]
    assert sum("tools" in row for row in rows) == sum(
        saved.env in TOOLS for saved in run.episodes()
    )


def test_export_of_solved_episodes_leaves_out_the_others(run: SavedRun) -> None:
    solved = sum(saved.episode.reward == 1.0 for saved in run.episodes())
    assert 0 < solved < 24
    assert len(rows_of(written(run, "openai", solved=True))) == solved
    assert pq.read_table(written(run, "parquet", solved=True)).num_rows == solved


def test_export_to_parquet_is_read_by_pyarrow(run: SavedRun) -> None:
    rows = pq.read_table(written(run, "parquet")).to_pylist()
    tasks = run.tasks()
    for row, saved in zip(rows, run.episodes(), strict=True):
        episode = saved.episode
        assert row["env"] == saved.env
        assert row["step"] == saved.step
        assert row["reward"] == episode.reward
        assert row["outcome"] == (
            "error" if episode.reward is None else "limit" if episode.limit else "scored"
        )
        assert row["task_hash"] == tasks[saved.env, episode.task_id].hash
        assert [tuple(ids) for ids in row["token_ids"]] == [s.ids for s in episode.samples]
        assert [tuple(mask) for mask in row["mask"]] == [s.mask for s in episode.samples]
        assert [tuple(p) for p in row["logprobs"]] == [s.logprobs for s in episode.samples]
        assert [m["role"] for m in row["messages"]] == [m.role for m in episode.messages]
    call = rows[-1]["messages"][2]["tool_calls"][0]
    assert (call["name"], json.loads(call["arguments"])) == ("add", {"item": "pear", "count": 0})
    assert rows[-1]["messages"][3]["tool_call_id"] == call["id"]
    assert json.loads(rows[-1]["gold"]) == list(tasks.values())[-1].gold


def test_export_to_parquet_without_pyarrow_names_the_extra(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(__import__("sys").modules, "pyarrow", None)
    with pytest.raises(MissingExtra, match=r"agentgym-rl\[parquet\]"):
        parquet.write_parquet(Source(open_run(write_eval_run(tmp_path))), tmp_path / "x.parquet")


def logs_of(folder: Path) -> Iterator[EvalLog]:
    for info in sorted(list_eval_logs(str(folder)), key=lambda info: info.name):
        yield read_eval_log(info, resolve_attachments=True)


def test_export_to_inspect_is_read_back_whole(run: SavedRun) -> None:
    logs = list(logs_of(written(run, "inspect")))
    assert [log.eval.task for log in logs] == (list(ENVS) if run.kind == "eval" else list(ENVS[:1]))
    for log in logs:
        mine = [saved.episode for saved in run.episodes() if saved.env == log.eval.task]
        samples = {(s.metadata["task_id"], s.metadata["step"], s.epoch): s for s in log.samples}
        assert len(samples) == len(mine)
        assert log.status == "success"
        assert log.eval.model == ("scripted" if run.kind == "eval" else "starter")
        assert log.results.total_samples == len(mine)
        assert log.results.completed_samples == sum(e.reward is not None for e in mine)
        for saved in run.episodes():
            if saved.env != log.eval.task:
                continue
            episode = saved.episode
            key = plain_text(episode.task_id), saved.step, episode.index + 1
            check_sample(samples[key], episode)


def check_sample(sample: Any, episode: Any) -> None:
    assert [message.role for message in sample.messages] == [m.role for m in episode.messages]
    assert sample.turn_count == len(episode.turns)
    assert (sample.error is not None) == (episode.reward is None)
    assert (sample.limit is not None) == (episode.reward is not None and bool(episode.limit))
    if episode.reward is not None:
        score = sample.scores["reward"]
        assert score.value == episode.reward
        assert score.answer == plain_value(episode.verdict.extracted)
        rules = [rule["score"] for rule in score.metadata["rules"]]
        assert rules == [rule.score for rule in episode.verdict.rules]
    (usage,) = sample.model_usage.values()
    assert usage.output_tokens == sum(turn.sampled_tokens for turn in episode.turns)
    kinds = [event.event for event in sample.events]
    assert kinds[0] == "sample_init"
    assert kinds.count("model") == len(episode.turns)
    calls = [
        call for message in sample.messages for call in getattr(message, "tool_calls", 0) or ()
    ]
    assert [event.id for event in sample.events if event.event == "tool"] == [c.id for c in calls]
    answered = [m.tool_call_id for m in sample.messages if m.role == "tool"]
    assert [each for each in answered if each] == [call.id for call in calls][: len(answered)]
    read = [len(event.input) for event in sample.events if event.event == "model"]
    said = [n for n, message in enumerate(sample.messages) if message.role == "assistant"]
    assert read == said
    assert [event.timestamp for event in sample.events] == sorted(
        event.timestamp for event in sample.events
    )


def test_export_to_inspect_has_summaries_and_single_samples(run: SavedRun) -> None:
    (info, *_) = sorted(list_eval_logs(str(written(run, "inspect"))), key=lambda info: info.name)
    summaries = read_eval_log_sample_summaries(info)
    first = summaries[0]
    assert first.id != HOSTILE  # it is a file's name, too
    assert first.id.isprintable()
    for summary in summaries:
        sample = read_eval_log_sample(info, summary.id, summary.epoch)
        values = {name: score.value for name, score in summary.scores.items()}
        assert {name: score.value for name, score in sample.scores.items()} == values
        assert sample.summary().limit == summary.limit
        assert sample.summary().error == summary.error


def test_export_to_inspect_counts_the_score_by_task(tmp_path: Path) -> None:
    run = open_run(write_eval_run(tmp_path / "run", tasks=4, rollouts=3))
    (log,) = logs_of(written(run, "inspect"))
    by_task: dict[str, list[float]] = {}
    for saved in run.episodes():
        if saved.episode.reward is not None:
            by_task.setdefault(saved.episode.task_id, []).append(saved.episode.reward)
    means = [sum(rewards) / len(rewards) for rewards in by_task.values()]
    (score,) = log.results.scores
    assert score.metrics["mean"].value == pytest.approx(sum(means) / 4)
    assert {r.sample_id: r.value for r in log.reductions[0].samples} == dict(
        zip(by_task, means, strict=True)
    )
    assert log.eval.config.epochs == 3


@pytest.mark.parametrize("to", FORMATS)
def test_export_of_a_broken_run_leaves_nothing_behind(to: str, tmp_path: Path) -> None:
    run = open_run(write_eval_run(tmp_path / "run"))
    good = export(Source(run), to).path
    before = {path: path.read_bytes() for path in good.parent.rglob("*") if path.is_file()}
    with (run.path / "episodes.jsonl").open("a") as lines:
        lines.write("{}\n")
    with pytest.raises(RunError, match="line 13 cannot be read"):
        export(Source(run), to)
    after = {path: path.read_bytes() for path in good.parent.rglob("*") if path.is_file()}
    assert after == before


def test_export_of_an_unfinished_run_says_so(tmp_path: Path) -> None:
    run = open_run(write_eval_run(tmp_path / "run", finished=False))
    (log,) = logs_of(written(run, "inspect"))
    assert log.status == "started"


def test_export_refuses_a_format_that_there_is_not(tmp_path: Path) -> None:
    run = open_run(write_eval_run(tmp_path / "run"))
    with pytest.raises(ConfigError, match="no format 'parket'; perhaps you meant 'parquet'"):
        export(Source(run), "parket")
