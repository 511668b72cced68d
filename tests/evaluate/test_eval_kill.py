"""An evaluation that is killed again and again comes to what an unbroken one does."""

from __future__ import annotations

import json
import random
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import sure_policy

EPISODES = 2 * 12 * 4


def start(folder: Path, env: dict[str, str]) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, sure_policy.__file__, str(folder)],
        stdout=subprocess.PIPE,
        text=True,
        env=env,
    )


def episodes(folder: Path) -> list[dict[str, Any]]:
    """Return every episode, in an order of its own, without what a clock says."""
    rows = [json.loads(line) for line in (folder / "episodes.jsonl").open()]
    for row in rows:
        del row["elapsed_s"]
        for turn in row["turns"]:
            del turn["sample_s"], turn["env_s"]
    return sorted(rows, key=lambda row: (row["env"], row["task_id"], row["index"]))


def summary(folder: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((folder / "summary.json").read_text())
    for block in found["environments"].values():
        del block["wall_s"]
    return found


def test_run_that_is_killed_at_random_points_comes_to_the_same(
    tmp_path: Path, subprocess_env: dict[str, str]
) -> None:
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    rng = random.Random(7)
    on_record = 0
    for _ in range(4):
        with start(broken, subprocess_env) as process:
            assert process.stdout is not None
            for _ in range(rng.randrange(2, 24)):  # of 192 turns; it is at most 20 ahead
                process.stdout.readline()
            process.send_signal(signal.SIGKILL)  # wherever it now is
        assert process.returncode == -signal.SIGKILL
        lines = (broken / "episodes.jsonl").read_bytes().count(b"\n")
        assert on_record <= lines < EPISODES
        on_record = lines
    assert on_record > 0
    for folder in (broken, whole):
        with start(folder, subprocess_env) as process:
            process.communicate(timeout=60)
        assert process.returncode == 0
    assert len(episodes(whole)) == EPISODES
    assert episodes(broken) == episodes(whole)
    assert summary(broken) == summary(whole)
    assert (broken / "tasks.jsonl").read_text() == (whole / "tasks.jsonl").read_text()
