from __future__ import annotations

import json
import random
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from made_runs import HOSTILE, made_episode

from agentgym.errors import RunError
from agentgym.evaluate.outcomes import Outcome
from agentgym.evaluate.record import Record
from agentgym.policy.usage import Usage
from agentgym.types import Episode

FREE = Usage()


def episode(task_id: str, index: int = 0, end: str = "solved") -> Episode:
    return made_episode(task_id, index, random.Random(3), end=end)


def lines(folder: Path) -> list[bytes]:
    return (folder / "episodes.jsonl").read_bytes().splitlines(keepends=True)


def test_record_gives_back_what_was_appended(tmp_path: Path) -> None:
    with Record(tmp_path) as record:
        one = record.append("a", episode("t1"), FREE, 0.5)
        two = record.append("b#x", episode("t1", 1, "limit"), FREE, 0.75)
    assert (one.reward, two.limit) == (1.0, "turns")
    with Record(tmp_path) as again:
        assert again.scored == {"a": {("t1", 0): one}, "b#x": {("t1", 1): two}}
        assert again.elapsed_s == {"a": 0.5, "b#x": 0.75}
        assert again.tokens("a") == (one.sampled_tokens, one.prompt_tokens)
    assert not (tmp_path / "usage.jsonl").exists()


def test_record_drops_unscored_episodes_and_remembers_their_places(tmp_path: Path) -> None:
    with Record(tmp_path) as record:
        record.append("a", episode("t1"), FREE, 1.0)
        record.append("a", episode("t2", end="error"), FREE, 2.0)
        record.append("a", episode("t3"), FREE, 3.0)
    before = lines(tmp_path)
    with Record(tmp_path) as again:
        assert list(again.scored["a"]) == [("t1", 0), ("t3", 0)]
        assert again.lost == {"a": {("t2", 0)}}
    assert lines(tmp_path) == [before[0], before[2]]


@settings(max_examples=20, deadline=None)
@given(cut=st.integers(1, 400))
def test_record_drops_a_line_that_was_cut_anywhere(
    cut: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("run")
    with Record(folder) as record:
        record.append("a", episode("t1"), FREE, 1.0)
        record.append("a", episode("t2"), FREE, 2.0)
    whole = lines(folder)
    (folder / "episodes.jsonl").write_bytes(b"".join(whole)[:-cut])
    with Record(folder) as again:
        assert list(again.scored["a"]) == [("t1", 0)]
        again.append("a", episode("t2"), FREE, 2.0)
    assert lines(folder) == whole


def test_record_takes_an_episode_that_is_there_twice_once(tmp_path: Path) -> None:
    with Record(tmp_path) as record:
        record.append("a", episode("t1"), FREE, 1.0)
    (tmp_path / "episodes.jsonl").write_bytes(lines(tmp_path)[0] * 2)
    with Record(tmp_path) as again:
        assert len(again.scored["a"]) == 1
    assert len(lines(tmp_path)) == 1


def test_record_adds_up_what_an_endpoint_charged(tmp_path: Path) -> None:
    used = Usage(requests=2, retries=1, prompt_tokens=30, sampled_tokens=4)
    with Record(tmp_path) as record:
        record.append("a", episode("t1"), used, 1.0)
        record.append("a", episode("t2", end="error"), used, 2.0)
    with (tmp_path / "usage.jsonl").open("ab") as file:
        file.write(b'{"env": "a", "task_id"')  # cut by a kill
    with Record(tmp_path) as again:
        assert again.used == {"a": Usage(4, 2, 60, 8)}
        assert again.tokens("a") == (8, 60)
        again.append("a", episode("t2"), used, 3.0)
    with Record(tmp_path) as last:
        assert last.tokens("a") == (12, 90)


def test_record_keeps_hostile_text(tmp_path: Path) -> None:
    hostile = replace(episode(HOSTILE), reason=HOSTILE)
    with Record(tmp_path) as record:
        outcome = record.append(HOSTILE, hostile, Usage(requests=1), 1.0)
    with Record(tmp_path) as again:
        assert again.scored == {HOSTILE: {(HOSTILE, 0): outcome}}
        assert again.used == {HOSTILE: Usage(requests=1)}


@pytest.mark.parametrize(
    ("line", "why"), [("{}\n", "is no episode"), ("[]\n", "is no episode"), ("x\n", "is no JSON")]
)
def test_record_refuses_what_it_did_not_write(tmp_path: Path, line: str, why: str) -> None:
    (tmp_path / "episodes.jsonl").write_text(line)
    with pytest.raises(RunError, match=why):
        Record(tmp_path)


def test_outcome_of_an_episode_is_that_of_its_line(tmp_path: Path) -> None:
    with Record(tmp_path) as record:
        for end in ("solved", "partly", "failed", "limit", "error"):
            played = record.append("a", episode(end, end=end), FREE, 1.0)
            assert Outcome.from_row(json.loads(lines(tmp_path)[-1])) == played
