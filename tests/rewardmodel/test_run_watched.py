"""A run that is trained on a rubric with a learned reward, and the watch on it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import agentgym as ag
from agentgym.cli import main
from agentgym.train.loop import Run


def test_run_on_a_learned_reward_is_watched(
    trained: Run, tiny: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    import taste_env  # noqa: F401 - registers the environment

    out = tmp_path / "run"
    run = ag.train(
        ag.TrainConfig(
            env="demo/Taste-v0",
            env_kwargs={"reward_model": str(trained.path)},
            model=str(tiny),
            sampler="transformers",
            out=out,
            steps=4,
            tasks_per_step=4,
            group_size=4,
            max_tokens=6,
            warmup_steps=1,
            lr=3e-3,
            eval_tasks=0,
        )
    )
    assert run.summary["episodes"] == {"scored": 64, "unscored": 0}
    capfd.readouterr()
    assert main(["reward-model", "watch", str(out), "--points=3", "--json"]) in (0, 1)
    report = json.loads(capfd.readouterr().out)
    labels = sorted(row["label"] for row in report["points"])
    assert labels == ["step 0", "step 2", "step 3"]
    kl = {row["label"]: row["kl"] for row in report["points"]}
    assert kl["step 0"] == pytest.approx(0.0, abs=1e-6)  # sampled by the reference itself
    assert kl["step 3"] > 1e-3
    assert all(0 <= row["learned"]["mean"] <= 1 for row in report["points"])
    assert (out / "overoptimisation.svg").exists()
