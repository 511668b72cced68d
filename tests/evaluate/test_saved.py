"""Run folders read back: whole, torn, and an episode at a time."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from made_runs import HOSTILE, write_eval_run, write_train_run

from agentgym.errors import RunError
from agentgym.evaluate.saved import open_run
from agentgym.rollout.ledger import episode_to_json
from agentgym.types import Episode, Message


def test_saved_run_tells_a_training_from_an_evaluation(tmp_path: Path) -> None:
    assert open_run(write_eval_run(tmp_path / "eval")).kind == "eval"
    assert open_run(write_train_run(tmp_path / "train")).kind == "train"


def test_saved_glances_are_the_episodes_without_their_samples(tmp_path: Path) -> None:
    run = open_run(write_train_run(tmp_path / "run", hostile=True))
    whole, glances = list(run.episodes()), list(run.glances())
    assert all(each.episode.samples for each in whole)
    assert [each.saved for each in glances] == [
        replace(each, episode=replace(each.episode, samples=())) for each in whole
    ]
    assert [run.episode_at(each.place) for each in glances] == whole


def test_saved_glance_is_not_misled_by_texts_that_look_like_its_line(tmp_path: Path) -> None:
    trap = 'a, "samples": [1], "terminated": false'
    episode = Episode(trap, 0, 1, "scored", 1.0, trap, messages=(Message("user", trap),))
    run = open_run(write_eval_run(tmp_path / "run"))
    (run.path / "episodes.jsonl").write_text(episode_to_json(0, episode) + "\n")
    (glance,) = run.glances()
    assert glance.saved.episode == episode


def test_saved_glance_reads_lines_that_are_written_otherwise(tmp_path: Path) -> None:
    run = open_run(write_eval_run(tmp_path / "run"))
    file = run.path / "episodes.jsonl"
    rows = [json.loads(line) for line in file.read_text().splitlines()]
    file.write_text("".join(json.dumps(row, separators=(",", ":")) + "\n" for row in rows))
    assert [each.saved for each in run.glances()] == list(run.episodes())


def test_saved_episodes_pass_over_a_last_line_that_is_not_whole(tmp_path: Path) -> None:
    run = open_run(write_eval_run(tmp_path / "run", hostile=True))
    count = len(list(run.episodes()))
    with (run.path / "episodes.jsonl").open("a") as file:
        file.write('{"step": 0, "env')
    assert len(list(run.episodes())) == len(list(run.glances())) == count
    assert HOSTILE in {task for _, task in run.tasks()}


def test_saved_episode_that_is_no_longer_there_is_told(tmp_path: Path) -> None:
    run = open_run(write_eval_run(tmp_path / "run"))
    with pytest.raises(RunError, match="line at byte 999999999 cannot be read"):
        run.episode_at(999_999_999)
