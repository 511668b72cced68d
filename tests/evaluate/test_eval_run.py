"""A run folder of an evaluation: finished by the same command, never paid for twice."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import parity_env
import pytest
from chat_endpoint import chat_endpoint
from sure_policy import SurePolicy

from agentgym.errors import ConfigError, RunError, UnknownEnvironment, UnknownPolicy
from agentgym.evaluate.config import EvalConfig
from agentgym.evaluate.run import EvalRun, evaluate_run
from agentgym.evaluate.runner import evaluate
from agentgym.evaluate.saved import open_run

PARITY = "demo/Parity-v0"
FAULTY = "demo/Faulty-v0"


@pytest.fixture(autouse=True)
def _fresh_faults() -> None:
    parity_env.Faulty.attempts.clear()


def config(folder: Path, *what: str, **settings: Any) -> EvalConfig:
    given = {"what": what or (PARITY,), "policy": "sure", "out": folder, "tasks": 4}
    return EvalConfig(**given | settings)


def run(folder: Path, *what: str, policy: SurePolicy | None = None, **settings: Any) -> EvalRun:
    return evaluate_run(config(folder, *what, **settings), policy or SurePolicy())


def block(done: EvalRun, label: str = PARITY) -> dict[str, Any]:
    found: dict[str, Any] = done.summary["environments"][label]
    return found


def test_run_counts_as_an_evaluation_in_memory_does(tmp_path: Path) -> None:
    done = run(tmp_path, rollouts=3)
    same = evaluate(PARITY, SurePolicy(), tasks=4, rollouts=3).block()
    assert {**block(done), "wall_s": 0} == {**same, "wall_s": 0}
    assert 0 < block(done)["score"]["mean"] < 1
    assert done.summary["finished"]
    assert json.loads((tmp_path / "summary.json").read_text()) == done.summary


def test_run_with_environments_in_processes_finishes_one_without(tmp_path: Path) -> None:
    apart, here = tmp_path / "apart", tmp_path / "here"
    run(here, rollouts=2, tasks=3)
    assert run(apart, rollouts=1, tasks=3).played == 3
    done = run(apart, rollouts=2, tasks=3, env_processes=1)
    assert done.played == 3
    assert json.loads((apart / "config.json").read_text())["env_processes"] == 1
    same = run(here, rollouts=2, tasks=3)
    assert {**block(done), "wall_s": 0} == {**block(same), "wall_s": 0}


def test_run_of_one_environment_has_its_figures_at_the_top_too(tmp_path: Path) -> None:
    summary = run(tmp_path).summary
    assert summary["mean"] == summary["score"]["mean"] == block(run(tmp_path))["score"]["mean"]
    assert summary["env"] == PARITY
    assert summary["policy"] == "sure"


def test_run_folder_is_read_back(tmp_path: Path) -> None:
    run(tmp_path, PARITY, FAULTY, rollouts=2)
    saved = open_run(tmp_path)
    assert saved.kind == "eval"
    episodes = list(saved.episodes())
    assert {(each.env, each.step) for each in episodes} == {(PARITY, 0), (FAULTY, 0)}
    assert len(episodes) == 2 * 4 * 2
    tasks = saved.tasks()
    assert len(tasks) == 8
    assert tasks[PARITY, "test-1"].gold == 1
    assert tasks[PARITY, "test-1"].prompt.endswith(" 1")


def test_finished_run_is_told_again_without_a_policy(tmp_path: Path) -> None:
    first = run(tmp_path)
    told: list[str] = []
    policy = SurePolicy()
    again = evaluate_run(config(tmp_path), policy, say=told.append)
    assert (policy.asked, again.played) == (0, 0)
    assert again.summary == first.summary
    assert "is finished" in told[0]


def test_run_grows_by_what_is_missing(tmp_path: Path) -> None:
    run(tmp_path, tasks=3, rollouts=1)
    policy = SurePolicy()
    grown = run(tmp_path, policy=policy, tasks=5, rollouts=2)
    assert grown.played == 5 * 2 - 3
    assert policy.asked == 2 * grown.played
    assert (block(grown)["tasks"], block(grown)["rollouts"], block(grown)["scored"]) == (5, 2, 10)


def test_run_never_shrinks(tmp_path: Path) -> None:
    whole = run(tmp_path, tasks=5, rollouts=2)
    again = run(tmp_path, tasks=1, rollouts=1)
    assert again.played == 0
    assert again.summary == whole.summary


def test_run_takes_up_what_a_kill_left(tmp_path: Path) -> None:
    """The last line is cut; the episode in it is played again, and no other."""
    whole = run(tmp_path, rollouts=2)
    (tmp_path / "summary.json").unlink()
    file = tmp_path / "episodes.jsonl"
    file.write_bytes(file.read_bytes()[:-30])
    again = run(tmp_path, rollouts=2)
    assert again.played == 1
    assert {**block(again), "wall_s": 0} == {**block(whole), "wall_s": 0}
    assert len(list(open_run(tmp_path).episodes())) == 8


def test_run_plays_unscored_episodes_again_and_no_others(tmp_path: Path) -> None:
    settings = {"retries": 0, "env_kwargs": {"fail_on": {"test-2": 1}}, "rollouts": 2}
    first = run(tmp_path, FAULTY, concurrency=1, **settings)
    assert (block(first, FAULTY)["errors"], block(first, FAULTY)["scored"]) == (1, 7)
    (reason,) = block(first, FAULTY)["reasons"]
    assert "the database is gone" in reason
    again = run(tmp_path, FAULTY, **settings)
    assert again.played == 1
    assert (block(again, FAULTY)["errors"], block(again, FAULTY)["scored"]) == (0, 8)
    assert len(list(open_run(tmp_path).episodes())) == 8


def test_error_is_in_no_mean(tmp_path: Path) -> None:
    faults = {"fail_on": {"test-2": 9}}
    done = run(tmp_path, FAULTY, retries=0, env_kwargs=faults)
    others = [e for e in open_run(tmp_path).episodes() if e.episode.reward is not None]
    mean = sum(e.episode.reward or 0.0 for e in others) / 3
    assert len(others) == 3
    assert block(done, FAULTY)["score"]["mean"] == mean
    assert done.unscored == 0.25


def test_limit_of_tokens_is_an_outcome_that_is_scored(tmp_path: Path) -> None:
    done = run(tmp_path, max_episode_tokens=1)
    assert block(done)["limits"] == {"tokens": 4}
    assert (block(done)["score"]["mean"], block(done)["errors"]) == (0.0, 0)


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"temperature": 0.5}, "temperature"),
        ({"seed": 1}, "seed"),
        ({"policy": "other"}, "policy"),
        ({"split": "train"}, "environments"),
        ({"max_turns": 1}, "max_turns"),
    ],
)
def test_run_with_other_settings_is_refused(
    tmp_path: Path, change: dict[str, Any], named: str
) -> None:
    run(tmp_path)
    with pytest.raises(RunError, match=f"has other settings: {named} "):
        evaluate_run(config(tmp_path, **change), SurePolicy())


def test_run_of_changed_tasks_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run(tmp_path)
    changed = [
        parity_env.Task(task_id, "say it", 1, "test") for task_id in parity_env.TASKS.ids("test")
    ]
    monkeypatch.setattr(parity_env.Parity, "tasks", parity_env.TaskSet.of(changed))
    with pytest.raises(RunError, match="task 'test-0' of 'demo/Parity-v0' is not what it was"):
        run(tmp_path, tasks=5)


def test_run_that_came_to_nothing_leaves_its_folder_to_another(tmp_path: Path) -> None:
    class Refused(Exception):
        pass

    class Refusing(SurePolicy):
        async def sample(self, *_: Any, **__: Any) -> Any:
            raise Refused

    with pytest.raises(Refused):
        run(tmp_path, policy=Refusing())
    assert run(tmp_path, split="train").played == 4
    assert {split.split for split in open_run(tmp_path).tasks().values()} == {"train"}


def test_misspelt_names_leave_no_folder(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    with pytest.raises(UnknownPolicy, match="perhaps you meant 'oracle'"):
        evaluate_run(config(folder, policy="orcle"))
    with pytest.raises(UnknownEnvironment, match="did you mean"):
        evaluate_run(config(folder, "demo/Parit-v0", policy="oracle"))
    with pytest.raises(ConfigError, match="perhaps you meant 'math'"):
        evaluate_run(config(folder, "mth", policy="oracle"))
    with pytest.raises(ConfigError, match="--max-cost needs --prices"):
        evaluate_run(config(folder, policy="oracle", max_cost=1.0))
    assert not folder.exists()


def test_environments_share_places_and_threads_end(tmp_path: Path) -> None:
    before = set(threading.enumerate())
    done = run(tmp_path, PARITY, FAULTY, tasks=6, concurrency=4)
    assert [each["scored"] for each in done.summary["environments"].values()] == [6, 6]
    for thread in set(threading.enumerate()) - before:
        thread.join(30)
        assert not thread.is_alive()


def test_runner_is_light_to_import() -> None:
    code = "import sys, agentgym.evaluate.run; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    heavy = {"torch", "vllm", "transformers", "numpy", "gymnasium", "httpx", "textual", "pyarrow"}
    assert not heavy & set(done.stdout.split())


def test_endpoint_counts_tokens_and_costs(tmp_path: Path) -> None:
    prices = tmp_path / "prices.toml"
    prices.write_text("[tiny]\nprompt = 1.0\nsampled = 10.0\n")
    with chat_endpoint("x", prompt_tokens=100, sampled_tokens=10) as endpoint:
        settings = {"policy": f"openai:tiny@{endpoint.url}", "prices": prices}
        done = evaluate_run(config(tmp_path / "run", **settings))
    assert endpoint.asked == 8  # two turns of four tasks
    assert block(done)["tokens"] == {"sampled": 80, "prompt": 800}
    assert done.summary["cost_usd"] == pytest.approx((800 * 1 + 80 * 10) / 1e6)


def test_limit_of_cost_stops_and_a_higher_one_goes_on(tmp_path: Path) -> None:
    """An episode is two turns of 100 and 10 tokens: 0.0004 dollars."""
    prices = tmp_path / "prices.json"
    prices.write_text('{"tiny": {"prompt": 1.0, "sampled": 10.0}}')
    with chat_endpoint("x") as endpoint:
        settings = {"policy": f"openai:tiny@{endpoint.url}", "prices": prices, "concurrency": 1}
        first = evaluate_run(config(tmp_path / "run", max_cost=0.0007, **settings))
        assert (first.played, first.summary["finished"]) == (2, False)
        same = evaluate_run(config(tmp_path / "run", max_cost=0.0007, **settings))
        assert (same.played, same.summary["finished"]) == (0, False)
        last = evaluate_run(config(tmp_path / "run", max_cost=1.0, **settings))
    assert (last.played, last.summary["finished"]) == (2, True)
    assert last.summary["cost_usd"] == pytest.approx(4 * 0.0004)
    assert endpoint.asked == 8  # nothing was asked twice


def test_what_was_spent_on_unscored_episodes_is_not_forgotten(tmp_path: Path) -> None:
    """The second turn of one episode breaks the environment, after the endpoint was paid."""
    faults = {"fail_on": {"test-0": 1}}
    settings = {"retries": 0, "env_kwargs": faults, "tasks": 2, "concurrency": 1}
    with chat_endpoint("x") as endpoint:
        policy = f"openai:tiny@{endpoint.url}"
        first = evaluate_run(config(tmp_path, FAULTY, policy=policy, **settings))
        assert block(first, FAULTY)["errors"] == 1
        again = evaluate_run(config(tmp_path, FAULTY, policy=policy, **settings))
    assert endpoint.asked == 6
    assert block(again, FAULTY)["tokens"] == {"sampled": 60, "prompt": 600}


def test_changed_weights_are_refused(tmp_path: Path, tiny: Path) -> None:
    model = tmp_path / "model"
    shutil.copytree(tiny, model)
    settings = {"policy": f"transformers:{model}", "tasks": 1, "max_turns": 1, "max_tokens": 2}
    evaluate_run(config(tmp_path / "run", **settings))
    weights = model / "model.safetensors"
    data = bytearray(weights.read_bytes())
    data[-1] ^= 1
    weights.write_bytes(data)
    with pytest.raises(RunError, match="has other settings: weights "):
        evaluate_run(config(tmp_path / "run", **settings))
