"""The benchmark of evaluations runs, in small; what it measures says nothing about the machine."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

BENCHMARK = Path(__file__).parents[2] / "benchmarks" / "evaluate.py"


def test_evaluation_benchmark_plays_both_sides() -> None:
    sizes = ("--episodes", "40", "--peer-episodes", "4", "--rounds", "1")
    done = subprocess.run(
        [sys.executable, str(BENCHMARK), "--json", *sizes],
        check=False,
        capture_output=True,
        text=True,
        timeout=240,
    )
    assert done.stdout, done.stderr[-3000:]
    found = json.loads(done.stdout)
    assert set(found) == {"episodes_per_s", "episodes_per_cpu_s", "times_inspect"}
    assert found["episodes_per_s"]["limit"] == 1000
    assert found["episodes_per_s"]["baseline"] > 0
