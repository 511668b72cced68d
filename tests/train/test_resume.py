"""A run that is cut into pieces gives what an unbroken one gives, to the last bit."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import torch
from parity_run import settings
from safetensors.torch import load_file

import agentgym as ag
from agentgym.errors import RunError
from agentgym.train.schedule import Schedule

STEPS = 6
TIMES = {"learn_tokens_per_s", "sample_tokens_per_s"}


def metrics(out: Path) -> list[dict[str, Any]]:
    """The metrics, less those that are measured in seconds."""
    rows = [json.loads(line) for line in (out / "metrics.jsonl").open()]
    return [
        {k: v for k, v in row.items() if k not in TIMES and not k.endswith("_s")} for row in rows
    ]


def weights(out: Path) -> dict[str, torch.Tensor]:
    return load_file(out / "model" / "model.safetensors")


def same(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> bool:
    return one.keys() == other.keys() and all(torch.equal(one[k], other[k]) for k in one)


def learned(out: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (out / "learned.jsonl").open()]


def played(out: Path) -> list[str]:
    return sorted((out / "tasks.jsonl").read_text().splitlines())


def sampled(out: Path) -> list[tuple[int, str, int]]:
    rows = [json.loads(line) for line in (out / "episodes.jsonl").open()]
    return sorted((row["step"], row["task_id"], row["index"]) for row in rows)


@pytest.fixture(scope="module")
def unbroken(tiny: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("unbroken") / "run"
    ag.train(settings(str(tiny), str(out), STEPS))
    return out


def test_steps_with_environments_in_processes_equal_those_with_threads(
    tiny: Path, tmp_path: Path
) -> None:
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    ag.train(settings(str(tiny), str(whole), 4))
    ag.train(settings(str(tiny), str(parts), 2))
    config = json.loads((parts / "config.json").read_text())
    del config["env_processes"]  # as in the folder of a run that is older than the setting
    (parts / "config.json").write_text(json.dumps(config))
    ag.train(settings(str(tiny), str(parts), 4, env_processes=2))
    assert same(weights(whole), weights(parts))
    assert metrics(whole) == metrics(parts)


def test_two_and_two_steps_equal_four(tiny: Path, tmp_path: Path) -> None:
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    ag.train(settings(str(tiny), str(whole), 4))
    ag.train(settings(str(tiny), str(parts), 2))
    ag.train(settings(str(tiny), str(parts), 4))
    assert same(weights(whole), weights(parts))
    assert metrics(whole) == metrics(parts)
    assert sampled(whole) == sampled(parts)
    assert learned(whole) == learned(parts)
    assert played(whole) == played(parts)
    before, after = (json.loads((out / "summary.json").read_text()) for out in (whole, parts))
    assert before["after"] == after["after"]


def test_run_learns_something(unbroken: Path) -> None:
    rows = metrics(unbroken)
    assert any(row["updated"] for row in rows)
    assert max(row["gap_max"] for row in rows) < 1e-4


def test_a_run_killed_at_random_moments_loses_nothing(
    tiny: Path, unbroken: Path, tmp_path: Path, subprocess_env: dict[str, str]
) -> None:
    out = tmp_path / "killed"
    script = Path(__file__).parents[1] / "fixtures" / "parity_run.py"
    command = [sys.executable, str(script), str(tiny), str(out), str(STEPS)]
    rng = random.Random(7)
    kills = 0
    for _ in range(60):
        process = subprocess.Popen(
            command, env=subprocess_env, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
        )
        finished = _killed_after_progress(process, out, rng) is None
        if finished:
            break
        kills += 1
    assert process.returncode == 0, process.stderr and process.stderr.read().decode()
    assert kills >= 3
    assert same(weights(out), weights(unbroken))
    assert metrics(out) == metrics(unbroken)
    assert learned(out) == learned(unbroken)
    assert played(out) == played(unbroken)
    assert [row["step"] for row in metrics(out)] == list(range(1, STEPS + 1))
    schedule = Schedule([f"train-{n}" for n in range(12)], 3, seed=0)
    expected = [(s, t, k) for s in range(STEPS) for t in schedule.tasks(s) for k in range(4)]
    assert sampled(out) == sorted(expected)


def _killed_after_progress(
    process: subprocess.Popen[bytes], out: Path, rng: random.Random
) -> int | None:
    """Kill a process a random moment after it wrote something new; None if it ended first."""

    def size() -> int:
        names = ("episodes.jsonl", "metrics.jsonl", "evaluations.jsonl")
        paths = [out / name for name in names]
        folders = len(list((out / "checkpoints").glob("*"))) if out.exists() else 0
        return sum(path.stat().st_size for path in paths if path.exists()) + folders

    start = size()
    while process.poll() is None and size() <= start:
        time.sleep(0.005)
    time.sleep(rng.random() * 0.6)
    if process.poll() is not None:
        return None
    os.kill(process.pid, 9)
    process.wait()
    return process.pid


def test_a_finished_run_is_not_run_again(tiny: Path, unbroken: Path) -> None:
    stamp = (unbroken / "metrics.jsonl").stat().st_mtime_ns
    lines: list[str] = []
    run = ag.train(settings(str(tiny), str(unbroken), STEPS), say=lines.append)
    assert (unbroken / "metrics.jsonl").stat().st_mtime_ns == stamp
    assert run.summary["steps"] == STEPS
    assert "is finished" in lines[0]


def test_other_settings_are_refused_and_named(tiny: Path, unbroken: Path) -> None:
    with pytest.raises(RunError, match=r"lr \(was 0.001, now 0.002\)"):
        ag.train(settings(str(tiny), str(unbroken), STEPS + 2, lr=2e-3))


def test_a_folder_with_other_files_is_refused(tiny: Path, tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("precious")
    with pytest.raises(RunError, match="is no run folder and not empty"):
        ag.train(settings(str(tiny), str(tmp_path), 1))
    assert [path.name for path in tmp_path.iterdir() if path.name != ".lock"] == ["thesis.tex"]


def test_two_processes_do_not_share_a_folder(tiny: Path, tmp_path: Path) -> None:
    from agentgym.train.folder import RunFolder

    config = settings(str(tiny), str(tmp_path / "run"), 1)
    with RunFolder(config), pytest.raises(RunError, match="another process is running"):
        ag.train(config)


def test_a_torn_checkpoint_is_never_taken_for_a_whole_one(tiny: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"
    ag.train(settings(str(tiny), str(out), 2))
    aside = out / "checkpoints" / ".step-000009.tmp"
    aside.mkdir()
    (aside / "trainer.pt").write_bytes(b"half")
    run = ag.train(settings(str(tiny), str(out), 3))
    assert run.summary["steps"] == 3


def test_summary_holds_every_figure(unbroken: Path) -> None:
    summary = json.loads((unbroken / "summary.json").read_text())
    assert summary["env"] == "demo/Parity-v0"
    assert set(summary["before"]) >= {"mean", "ci95", "tasks", "rollouts"}
    assert set(summary["gain"]) == {"mean", "ci95", "p"}
    assert set(summary["wall_s"]) == {"sample", "environment", "learn", "sync", "other", "total"}
    assert summary["episodes"] == {"scored": STEPS * 12, "unscored": 0}
    assert set(summary["tokens"]) == {"sampled", "environment"}
    assert (unbroken / "curve.svg").read_text().startswith("<svg")
