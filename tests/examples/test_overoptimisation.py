"""The example of a reward model as a goal, with tiny settings."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

SCRIPT = Path(__file__).parents[2] / "examples" / "overoptimisation.py"


def test_overoptimisation_trains_samples_and_compares(tiny: Path, tmp_path: Path) -> None:
    small = ["--pairs", "80", "--tasks", "3", "--answers", "4", "--max-tokens", "4"]
    done = subprocess.run(
        [sys.executable, str(SCRIPT), "--model", str(tiny), "--out", str(tmp_path), *small],
        check=False,
        capture_output=True,
        text=True,
        timeout=240,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert lines[-4].startswith("best of 1: KL 0.00, gold 0.000")
    assert lines[-2].startswith("best of 4: KL 0.64")
    report = json.loads((tmp_path / "overoptimisation.json").read_text())
    assert [row["label"] for row in report["points"]] == ["best of 1", "best of 2", "best of 4"]
