from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from agentgym.cli import main
from agentgym.rollout.ledger import episode_to_json
from agentgym.types import Episode, Rule, Verdict
from agentgym_envs.world import mcp

TASK = "mail_list_from_mail_1"
MCP = ["world", "mcp", "--size", "small"]


@pytest.fixture
def client(monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[[Any], None]], None]:
    """``client(use)`` puts ``use(run)`` in the place of the client."""
    return lambda use: monkeypatch.setattr(mcp, "serve", use)


def test_mcp_tells_the_verdict_on_the_standard_error(
    client: Callable[..., None], capsys: pytest.CaptureFixture[str]
) -> None:
    client(lambda run: run.service.call("supervisor", "complete_task", answer="x"))
    assert main([*MCP, "--task", TASK]) == 0
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.startswith(f"{TASK}: score 0: failed: 1: insert notes_lists")
    assert "\n  status: 1 \n" in said.err


def test_mcp_draws_a_task_by_the_seed_and_takes_the_settings_of_the_environment(
    client: Callable[..., None], capsys: pytest.CaptureFixture[str]
) -> None:
    seen = []
    client(lambda run: seen.append(run.service.limits.calls))
    words = [*MCP, "--split", "dev", "--env-kwargs", '{"calls_per_cell": 7}', "--json"]
    ids = []
    for seed in ("1", "1", "2"):
        assert main([*words, "--seed", seed]) == 0
        ids.append(json.loads(capsys.readouterr().err)["task_id"])
    assert seen == [70, 70, 70]
    assert ids[0] == ids[1] != ids[2]


def test_mcp_has_no_score_where_an_api_failed(
    client: Callable[..., None], capsys: pytest.CaptureFixture[str]
) -> None:
    client(lambda run: setattr(run.service, "fault", KeyError("row")))
    assert main(MCP) == 1
    assert capsys.readouterr().err == (
        "agentgym: error: an API failed, so there is no score: 'row'\n"
    )


def test_mcp_says_which_extra_is_missing(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "mcp.server.lowlevel", None)
    assert main(MCP) == 2
    assert "mcp is not installed; install it with: pip install 'agentgym-rl[mcp]'" in (
        capsys.readouterr().err
    )


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["world", "mpc"], "world has no task 'mpc'; perhaps you meant 'mcp'?"),
        ([*MCP, "--task", "no_such_1"], "no_such_1"),
        ([*MCP, "--split", "trian"], "trian"),
        ([*MCP, "--siez", "small"], "--siez"),
    ],
)
def test_mistakes_are_told_in_one_line(
    words: list[str], expected: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(words) in (1, 2)
    said = capsys.readouterr().err
    assert expected in said
    assert said.count("\n") == 1


def evaluation(folder: Path, *lines: str, **config: str) -> str:
    """Write a run folder; return its path."""
    folder.mkdir()
    (folder / "config.json").write_text(json.dumps(config))
    (folder / "episodes.jsonl").write_text("".join(f"{line}\n" for line in lines))
    return str(folder)


def episode(env: str, task_id: str, solved: bool) -> str:
    rules = (Rule("answer", float(solved)), Rule("behaviour: give_ups", 2.0, weight=0.0))
    verdict = Verdict(float(solved), rules)
    one = Episode(task_id, 0, 0, "scored", float(solved), "", verdict)
    return episode_to_json(0, one, env=env)


def test_goals_of_an_evaluation_are_told_by_environment(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    marks = {"a_1": True, "a_2": True, "a_3": True, "b_1": True, "b_2": False, "b_3": True}
    lines = [episode("x/World-v0", *pair) for pair in marks.items()]
    lines.append(episode("x/[bold]-v0", "c_1", False))
    run = evaluation(tmp_path / "run", *lines, policy="null")
    assert main(["world", "goals", run, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)["environments"]
    assert list(found) == ["x/World-v0", "x/[bold]-v0"]
    first = found["x/World-v0"]
    assert (first["tgc"], first["sgc"], first["scenarios"]) == (5 / 6, 0.5, 2)
    assert (first["pass_hat_k"], first["behaviour"]) == ({"1": 5 / 6}, {"give_ups": 2.0})
    assert main(["world", "goals", run]) == 0
    shown = capsys.readouterr().out
    assert "task goal completion      0.833 (6 episodes of 6 tasks, 0 unscored)" in shown
    assert "scenario goal completion  none (0 attempts at whole scenarios)" in shown
    assert "x/[bold]-v0" in shown


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        ({"policy": "null"}, "holds no whole episode yet"),
        ({"env": "x/World-v0", "algorithm": "rloo"}, "the run of a training"),
    ],
)
def test_goals_of_no_evaluation_are_refused(
    tmp_path: Path, config: dict[str, str], expected: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["world", "goals", evaluation(tmp_path / "run", **config)]) != 0
    said = capsys.readouterr().err
    assert expected in said
    assert said.count("\n") == 1


def test_help_names_the_tasks(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["world", "--help"]) == 0
    said = capsys.readouterr().out
    assert "  mcp    serve one episode" in said
    assert "  goals  count the goals" in said
    assert main(["world"]) == 2
