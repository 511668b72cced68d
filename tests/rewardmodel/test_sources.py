"""Where points come from: files of samples, and runs with both rules in their verdicts."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import torch

from agentgym.errors import ConfigError
from agentgym.policy.pretrained import load_model
from agentgym.rewardmodel.config import WatchConfig
from agentgym.rewardmodel.learned import LearnedReward
from agentgym.rewardmodel.sources import points_of_run, points_of_samples
from agentgym.rollout.ledger import episode_to_json
from agentgym.train.loop import Run
from agentgym.types import Episode, Rule, Sample, Verdict


def written(tmp_path: Path, rows: Sequence[Any]) -> Path:
    file = tmp_path / "samples.jsonl"
    file.write_text("\n".join(row if isinstance(row, str) else json.dumps(row) for row in rows))
    return file


def test_samples_with_learned_rewards(tmp_path: Path) -> None:
    rows = [
        {"prompt": prompt, "gold": gold, "learned": learned}
        for prompt in ("a", "b")
        for gold, learned in ((0, 1), (1, 2))
    ]
    points = points_of_samples(WatchConfig(source=written(tmp_path, rows)))
    assert [point.gold for point in points] == [{"a": 0.5, "b": 0.5}, {"a": 1.0, "b": 1.0}]


def test_samples_are_scored_by_the_reward_model(trained: Run, tmp_path: Path) -> None:
    answers = ("0001", "9999", "5050")
    rows = [{"prompt": "number?", "answer": answer, "gold": 1} for answer in answers]
    config = WatchConfig(source=written(tmp_path, rows), reward_model=trained.path)
    best = points_of_samples(config)[-1]
    rule = LearnedReward(trained.path)
    (reward,) = rule.rewards(["number?"], ["9999"])
    assert best.learned["number?"] == pytest.approx(rule.standardised(reward), abs=1e-5)


@pytest.mark.parametrize(
    ("row", "told"),
    [
        ({"answer": "x", "gold": 1}, 'line 2 must have "prompt", a text'),
        ({"prompt": "x", "gold": "1", "learned": 1}, '"gold", a number'),
        ('{"prompt": "x", "gold": NaN, "learned": 1}', '"gold", a number'),
        ({"prompt": "x", "gold": 1, "learned": "1"}, "line 2: learned must be a number"),
        ({"prompt": "x", "gold": 1}, 'line 2 has neither "learned"'),
        ({"prompt": "x", "gold": 1, "answer": "y"}, "line 2 has no learned reward; give --reward"),
    ],
)
def test_malformed_sample_is_named(tmp_path: Path, row: Any, told: str) -> None:
    file = written(tmp_path, [{"prompt": "x", "gold": 1, "learned": 1}, row])
    with pytest.raises(ConfigError, match=told):
        points_of_samples(WatchConfig(source=file))


def episode(task: str, index: int, gold: float, learned: float, logprob: float) -> Episode:
    rules = (Rule("right", gold), Rule("learned", learned))
    sample = Sample((5, 6, 7), (0, 0, 1), (0.0, 0.0, logprob))
    verdict = Verdict(gold, rules)
    return Episode(task, index, 0, "scored", gold, "", verdict, samples=(sample,))


def logprob_of(tiny: Path) -> float:
    with torch.no_grad():
        logits = load_model(tiny, torch.float32)(torch.tensor([[5, 6]])).logits[0, -1]
    return float(torch.log_softmax(logits, -1)[7])


@pytest.fixture
def run(tiny: Path, tmp_path: Path) -> Path:
    """Five steps of two tasks; gold 0.1 a step, learned 0.2, the policy log 2 nearer a step."""
    folder = tmp_path / "run"
    folder.mkdir()
    (folder / "config.json").write_text(json.dumps({"model": str(tiny), "temperature": 1.0}))
    base = logprob_of(tiny)
    lines = [
        episode_to_json(step, episode(task, index, 0.1 * step, 0.2 * step, base + 0.5 * step))
        for step in range(5)
        for task in ("a", "b")
        for index in range(2)
    ]
    (folder / "episodes.jsonl").write_text("\n".join(lines) + "\n" + lines[0][:40])  # torn
    return folder


def test_points_of_a_run(run: Path) -> None:
    said: list[str] = []
    points = points_of_run(WatchConfig(source=run, points=3), said.append)
    assert [point.label for point in points] == ["step 0", "step 2", "step 4"]
    assert points[1].gold == pytest.approx({"a": 0.2, "b": 0.2})
    assert points[2].learned == pytest.approx({"a": 0.8, "b": 0.8})
    # k3 of a token whose log-probability rose by 1: exp(-1) - 1 + 1.
    assert [point.kl for point in points] == pytest.approx(
        [0.0, 0.3678794, 0.1353353 + 1], abs=1e-5
    )
    assert said[0] == "step 0: KL 0.000, gold 0.000"


def test_episode_that_a_limit_ended_earned_nothing(run: Path) -> None:
    cut = Verdict(0.0, (Rule("finished", 0.0),), "no answer")
    ended = Episode("a", 2, 0, "scored", 0.0, "", cut, truncated=True)
    lines = (run / "episodes.jsonl").read_text().splitlines()[:-1]
    (run / "episodes.jsonl").write_text("\n".join([*lines, episode_to_json(4, ended)]) + "\n")
    last = points_of_run(WatchConfig(source=run, points=2), lambda _: None)[-1]
    assert last.gold["a"] == pytest.approx(0.8 / 3)


def test_rules_that_the_run_has_not_are_named(run: Path) -> None:
    with pytest.raises(ConfigError, match=r"no rule 'taste'|has a rule 'taste'; rules are"):
        points_of_run(WatchConfig(source=run, learned="taste"), lambda _: None)


def test_folder_that_is_no_run_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="is no run folder"):
        points_of_run(WatchConfig(source=tmp_path), lambda _: None)
