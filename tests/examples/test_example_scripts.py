"""Every example is short and runs, each in a process of its own, with tiny settings."""

from __future__ import annotations

import importlib.util
import json
import os
import re
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from xml.etree import ElementTree

import pytest

EXAMPLES = Path(__file__).parents[2] / "examples"


def ran(name: str, *words: str, **env: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, str(EXAMPLES / name), *words],
        check=False,
        capture_output=True,
        text=True,
        timeout=240,
        env={**os.environ, **env},
    )


def loaded(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, EXAMPLES / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module


def example(name: str, *words: str, **env: str) -> str:
    done = ran(name, *words, **env)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.parametrize("script", sorted(EXAMPLES.rglob("*.py")), ids=lambda path: path.name)
def test_example_is_at_most_120_lines(script: Path) -> None:
    assert len(script.read_text().splitlines()) <= 120


def test_train_script_trains_and_prints_the_summary(tiny: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"
    small = ("--steps", "1", "--tasks-per-step", "1", "--eval-tasks", "2", "--out", str(out))
    said = example("train_script.py", "--model", str(tiny), "--sampler", "transformers", *small)
    assert json.loads((out / "summary.json").read_text())["steps"] == 1
    assert '"algorithm": "rloo"' in said
    assert f"trained model: {out / 'model'}" in said


def test_evaluate_script_compares_two_policies() -> None:
    said = example("evaluate_script.py", "random", "oracle", "-n", "4", "-r", "2").splitlines()
    # Wilson's with t of 3 degrees of freedom: 3.182^2 / (4 + 3.182^2) = 0.717.
    assert said[0] == "random: 0.000 (95% interval over tasks 0.000 to 0.717)"
    assert said[2] == "oracle: 1.000 (95% interval over tasks 0.283 to 1.000)"
    assert json.loads(said[3])["scored"] == 8
    assert said[4].startswith("oracle minus random: +1.000")


def test_evaluate_script_takes_a_model_folder(tiny: Path) -> None:
    policy = f"transformers:{tiny}"
    said = example("evaluate_script.py", policy, "-n", "2", "-r", "1", "--max-tokens", "4")
    summary = json.loads(said.splitlines()[1])
    assert (summary["policy"], summary["tasks"], summary["errors"]) == (policy, 2, 0)
    assert summary["tokens"]["sampled"] > 0


def test_custom_environment_is_checked_taught_and_trained_on(tmp_path: Path) -> None:
    small = ("--sft-steps", "2", "--steps", "1", "--tasks", "2")
    said = example(
        "custom_env_training.py",
        *("--sampler", "transformers", "--out", str(tmp_path / "run"), *small),
        AGENTGYM_CACHE=str(tmp_path / "cache"),
    )
    assert "demo/Shelf-v0 is sound" in said
    [starter] = (tmp_path / "cache").iterdir()
    recipe = json.loads((starter / "recipe.json").read_text())
    config = json.loads((tmp_path / "run" / "config.json").read_text())
    assert recipe["env"] == config["env"] == "demo/Shelf-v0"
    assert config["model"] == str(starter)
    assert json.loads((tmp_path / "run" / "summary.json").read_text())["steps"] == 1


def test_api_world_is_taught_and_trained_on_its_scenarios(tmp_path: Path) -> None:
    small = ("--sft-steps", "2", "--demonstrations", "8", "--steps", "1", "--tasks", "2")
    said = example(
        "train_api_world.py",
        *("--sampler", "transformers", "--out", str(tmp_path / "run"), *small),
        *("--scenarios", "4", "--variations", "3", "--eval-tasks", "2"),
        AGENTGYM_CACHE=str(tmp_path / "cache"),
    )
    [starter] = (tmp_path / "cache").iterdir()
    recipe = json.loads((starter / "recipe.json").read_text())
    config = json.loads((tmp_path / "run" / "config.json").read_text())
    assert len(set(recipe["env_kwargs"]["scenarios"])) == 4
    assert recipe["env_kwargs"] == config["env_kwargs"]
    assert (config["split"], config["eval_split"]) == ("train", "held_out")
    assert (config["algorithm"], config["model"]) == ("rloo", str(starter))
    summary = json.loads((tmp_path / "run" / "summary.json").read_text())
    assert (summary["steps"], summary["before"]["tasks"]) == (1, 2)
    assert "evaluation after: " in said


def test_api_world_trains_a_given_model_on_24_scenarios(tiny: Path, tmp_path: Path) -> None:
    small = ("--steps", "1", "--tasks", "1", "--eval-tasks", "0", "--variations", "1")
    example(
        "train_api_world.py",
        *("--model", str(tiny), "--sampler", "transformers", "--out", str(tmp_path / "run")),
        *small,
    )
    config = json.loads((tmp_path / "run" / "config.json").read_text())
    assert len(set(config["env_kwargs"]["scenarios"])) == 24
    assert "level" not in config["env_kwargs"]


def test_cartpole_is_solved_by_the_functions_of_the_library() -> None:
    said = example("ppo_cartpole.py").splitlines()
    *batches, last = said
    first = float(batches[0].split("mean return")[1].split()[0])
    assert first < 50  # nobody can balance it at the start
    found = re.fullmatch(r"20 evaluation episodes: mean return (\S+), goal 475", last)
    assert found is not None, last
    assert float(found[1]) >= 475


def test_cartpole_fails_where_the_goal_is_missed() -> None:
    done = ran("ppo_cartpole.py", "--batches", "1")
    assert done.returncode == 1, done.stdout + done.stderr
    assert "goal 475" in done.stdout


def test_gae_visualizer_prints_and_draws_the_credit_of_each_token(tmp_path: Path) -> None:
    said = example("gae_visualizer.py", "--out", str(tmp_path)).splitlines()
    rows = [line.split() for line in said if line.lstrip().startswith(("agent ", "env "))]
    spoken = [[float(cell) for cell in row[2:]] for row in rows if row[0] == "agent"]
    assert all(float(cell) == 0 for row in rows if row[0] == "env" for cell in row[3:])
    errors = [row[1] for row in spoken]  # value, then lambda 0, 0.5, 0.9, 0.95, 1
    for place, (value, error, _, at_09, _, at_1) in enumerate(spoken):
        after = spoken[place + 1][0] if place + 1 < len(spoken) else 1.0
        assert error == pytest.approx(after - value, abs=6e-4)
        assert at_1 == pytest.approx(1 - value, abs=6e-4)
        discounted = sum(0.9**k * later for k, later in enumerate(errors[place:]))
        assert at_09 == pytest.approx(discounted, abs=6e-3)
    # Without a discount lambda 1 crosses the observations either way; below 1 they cost credit.
    assert "lambda 1: the first token gets +0.400; if the environment's tokens" in said[-1]
    assert said[-1].endswith("+0.400")
    assert "+0.106" in said[-2]
    assert said[-2].endswith("-0.005")
    for name, lines in (("td_errors", 2), ("gae", 5)):
        drawing = ElementTree.parse(tmp_path / f"{name}.svg").getroot()
        paths = [node for node in drawing.iter() if node.get("stroke-width") == "2"]
        assert len(paths) == lines


def test_variance_finds_which_baselines_are_unbiased_and_what_they_cost() -> None:
    said = example("variance.py")  # it exits with 1 where a known fact does not hold
    rows = re.findall(r"^([a-z][a-z0-9. -]+?) +(\d\.\d{3}) .* (\d\.\d{4})$", said, flags=re.M)
    multiple = {name: float(factor) for name, factor, _ in rows}
    noise = {name: float(equal) for name, _, equal in rows}
    assert len(rows) == 7
    for name in ("none", "constant 0.5", "moving average", "leave-one-out"):
        assert multiple[name] == pytest.approx(1, abs=0.01)
    assert multiple["batch mean"] == pytest.approx(23 / 24, abs=0.01)
    assert multiple["group mean"] == pytest.approx(7 / 8, abs=0.01)
    assert noise["leave-one-out"] < noise["moving average"] < noise["batch mean"] < noise["none"]
    exactly = {int(k): float(x) for k, x in re.findall(r"groups of (\d+) +\S+ +(\S+)\n", said)}
    known = float(said.split()[-1])
    for group in (4, 8, 16, 32):  # the excess over known success rates falls as 1 / (K - 1)
        excess = (exactly[group] - known) * (group - 1)
        assert excess == pytest.approx(exactly[2] - known, rel=0.02)
    assert exactly[2] > noise["constant 0.5"] > exactly[8]


def test_variance_tells_which_fact_does_not_hold(monkeypatch: pytest.MonkeyPatch) -> None:
    variance = loaded("variance")
    monkeypatch.setattr(variance, "BATCHES", 2000)
    monkeypatch.setitem(variance.BASELINES, "constant 0.5", (lambda rewards: 2 * rewards, 1.0))
    with pytest.raises(SystemExit, match=r"^not as expected: constant 0\.5$"):
        variance.main()


def test_reward_hacking_is_found_by_the_check_and_by_the_policy() -> None:
    said = example("reward_hacking.py")
    loose, strict = said.split("rule 'last number': ")
    assert "constants: task train-0: the answer '42' scores 1.0" in loose
    assert strict.startswith("no fault found")
    row = re.compile(r"reward (\S+), true (\S+); work it out (\S+), .*, list all (\S+)")
    first, _, hacked = (tuple(map(float, found)) for found in row.findall(loose))
    _, _, honest = (tuple(map(float, found)) for found in row.findall(strict))
    assert hacked[0] > first[0] + 0.3  # the reward rose
    assert hacked[1] < first[1] - 0.2  # and the truth fell
    assert hacked[3] > 0.9
    assert honest[0] == honest[1] > first[1] + 0.1
    assert honest[2] > 0.9


def test_reward_hacking_fails_where_the_check_finds_nothing() -> None:
    mended = "import reward_hacking as r; r.RULES['contains'] = r.RULES['last number']; r.main()"
    done = subprocess.run([sys.executable, "-c", mended], cwd=EXAMPLES, check=False, timeout=240)
    assert done.returncode == 1
