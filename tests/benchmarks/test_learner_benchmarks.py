"""The learner's benchmarks run, in small; what they measure says nothing about this machine."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


def figures(name: str, *words: str) -> dict[str, dict[str, Any]]:
    """What a benchmark printed, whether or not its limits were met on this machine."""
    done = subprocess.run(
        [sys.executable, str(BENCHMARKS / name), "--json", *words],
        check=False,
        capture_output=True,
        text=True,
        timeout=240,
    )
    assert done.stdout, done.stderr[-3000:]
    printed: dict[str, dict[str, Any]] = json.loads(done.stdout.splitlines()[-1])
    return printed


def test_gpu_learner_runs_at_tiny_shapes_on_the_cpu() -> None:
    found = figures("gpu_learner.py", "--cpu", "--batches", "2")
    assert found["tiny_tokens_per_s"]["value"] > 0
    assert found["tiny_share_of_matrix_rate"]["limit"] is None


def test_gpu_learner_shares_the_prompts_of_siblings() -> None:
    found = figures("gpu_learner.py", "--cpu", "--batches", "2", "--siblings", "4")
    assert found["tiny_shared_prompts_times"]["value"] > 0


def test_learner_benchmark_holds_a_third_of_the_logits_at_most() -> None:
    found = figures(
        "learner.py", "--no-engine", "--episodes", "4", "--groups", "1", "--rounds", "1"
    )
    assert found["logprob_peak_share"]["ok"]
    assert found["learning_tokens_per_s"]["value"] > 0
    assert found["shared_prompts_times"]["value"] > 1
