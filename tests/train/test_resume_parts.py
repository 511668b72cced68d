"""A run that died in the middle of a step."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import torch
from parity_run import settings
from safetensors.torch import load_file

import agentgym as ag


def died(whole: Path, out: Path, episodes: int) -> None:
    """Make the folder of a run that died when it had this many episodes of its first step."""
    out.mkdir()
    for name in ("config.json", "evaluations.jsonl"):
        shutil.copy(whole / name, out)
    lines = (whole / "episodes.jsonl").read_text().splitlines(keepends=True)
    (out / "episodes.jsonl").write_text("".join(lines[:episodes]))


def test_part_of_a_step_is_sampled_again_where_a_run_must_repeat_to_the_last_bit(
    tiny: Path, tmp_path: Path
) -> None:
    whole, out = tmp_path / "whole", tmp_path / "out"
    ag.train(settings(str(tiny), str(whole), 1))
    died(whole, out, episodes=8)  # two of its three groups
    ag.train(settings(str(tiny), str(out), 1))
    one, other = (load_file(path / "model" / "model.safetensors") for path in (whole, out))
    assert all(torch.equal(one[name], other[name]) for name in one)
    assert (whole / "episodes.jsonl").read_text().count("\n") == 12
    assert (out / "episodes.jsonl").read_text().count("\n") == 12


def test_part_of_a_step_is_kept_where_it_need_not(tiny: Path, tmp_path: Path) -> None:
    whole, out = tmp_path / "whole", tmp_path / "out"
    ag.train(settings(str(tiny), str(whole), 1, deterministic=False))
    died(whole, out, episodes=8)
    kept = (out / "episodes.jsonl").read_text()
    ag.train(settings(str(tiny), str(out), 1, deterministic=False))
    assert (out / "episodes.jsonl").read_text().startswith(kept)


def test_step_with_a_task_twice_trains_on_all_of_its_groups(tiny: Path, tmp_path: Path) -> None:
    run = ag.train(settings(str(tiny), str(tmp_path / "run"), 1, tasks_per_step=16, eval_tasks=0))
    rows = [json.loads(line) for line in (run.path / "episodes.jsonl").open()]
    assert len(rows) == 16 * 4
    assert len({row["task_id"] for row in rows}) == 12  # all that there are
