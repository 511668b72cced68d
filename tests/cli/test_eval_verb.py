"""`agentgym eval` and `agentgym suites` as a user has them."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import parity_env
import pytest
from chat_endpoint import chat_endpoint

from agentgym.cli import main

MATH = "agentgym/Math-v0"
FAULTY = "parity_env:demo/Faulty-v0"


@dataclass(frozen=True)
class Done:
    returncode: int
    stdout: str
    stderr: str


Command = Callable[..., Done]


@pytest.fixture
def run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> Command:
    """Run a command in a folder of its own, where its run folders are."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "200")
    parity_env.Faulty.attempts.clear()

    def run(*words: str) -> Done:
        capfd.readouterr()
        status = main(words)
        return Done(status, *capfd.readouterr())

    return run


def test_help_of_eval_shows_its_short_flags(run: Command) -> None:
    text = run("eval", "--help").stdout
    assert "SUITE|ENV" in text
    assert all(flag in text for flag in ("-p STR", "-n", "-r", "--config FILE", "--json"))


def test_eval_prints_the_summary_alone(run: Command, tmp_path: Path) -> None:
    done = run("eval", MATH, "-p", "oracle", "-n", "4", "-r", "2", "--json")
    summary = json.loads(done.stdout)
    assert done.returncode == 0
    assert (summary["mean"], summary["errors"]) == (1.0, 0)
    assert (summary["tasks"], summary["rollouts"], summary["turns"]) == (4, 2, 1.0)
    assert summary["pass_at_k"] == summary["pass_hat_k"] == {"1": 1.0, "2": 1.0}
    assert summary["tokens"]["sampled"] > 0
    written = tmp_path / "runs" / "eval-agentgym-Math-v0-oracle-s0" / "summary.json"
    assert json.loads(written.read_text()) == summary


def test_eval_prints_a_table_for_people(run: Command) -> None:
    done = run("eval", MATH, "-p", "null", "-n", "3", "--out", "here")
    # Wilson's interval of no success in three
    assert "0.000 (95% interval over tasks 0.000 to 0.561)" in done.stdout
    assert "pass@1" in done.stdout
    assert "run folder: here" in done.stdout
    again = run("eval", MATH, "-p", "null", "-n", "3", "--out", "here")
    assert again.stdout == done.stdout
    assert "the run in 'here' is finished; nothing is left to play" in again.stderr


def test_eval_plays_a_mix_of_suites_and_environments(run: Command, tmp_path: Path) -> None:
    (tmp_path / "mine.toml").write_text(
        '[[entries]]\nenv = "agentgym/Math-v0"\nkwargs = {level = 2}\ntasks = 3\n'
        '[[entries]]\nenv = "agentgym/Math-v0"\nkwargs = {topic = "all"}\nname = "topics"\n'
    )
    done = run("eval", "mine.toml", "parity_env:demo/Parity-v0", "-p", "oracle", "-n", "2")
    assert done.returncode == 0, done.stderr
    labels = [f"{MATH}#level=2,test", f"{MATH}#topics", "parity_env:demo/Parity-v0"]
    assert all(label in done.stdout for label in labels)
    folder = tmp_path / "runs" / "eval-mine+parity_env-demo-Parity-v0-oracle-s0"
    assert list(json.loads((folder / "summary.json").read_text())["environments"]) == labels


def test_eval_where_nothing_is_scored_says_so_and_fails(run: Command) -> None:
    policy = "openai:tiny@http://127.0.0.1:1/v1"
    # Port 1 refuses at once; what is waited for are the retries' short pauses.
    done = run("eval", MATH, "-p", policy, "-n", "1", "--json", "--episode-timeout-s", "1")
    summary = json.loads(done.stdout)
    assert (done.returncode, summary["mean"], summary["errors"]) == (1, None, 1)
    assert "UNSCORED: 1 of 1 episodes" in done.stderr


@pytest.mark.parametrize(("share", "status"), [("0.25", 0), ("0.2", 1)])
def test_eval_fails_where_too_many_are_unscored(run: Command, share: str, status: int) -> None:
    faults = json.dumps({"fail_on": {"test-0": 9}})
    words = ["-p", "oracle", "-n", "4", "--retries", "0", "--env-kwargs", faults]
    done = run("eval", FAULTY, *words, "--fail-on-error", share)
    assert done.returncode == status
    assert "UNSCORED: 1 of 4 episodes (25.0%" in done.stderr
    assert ("more than --fail-on-error" in done.stderr) == bool(status)
    assert "the database is gone" in done.stdout


def test_eval_stops_at_its_limit_of_cost(run: Command, tmp_path: Path) -> None:
    (tmp_path / "prices.toml").write_text("[tiny]\nprompt = 10\nsampled = 0\n")
    with chat_endpoint("\\boxed{0}") as endpoint:
        policy = f"openai:tiny@{endpoint.url}"
        words = ["eval", MATH, "-p", policy, "-n", "4", "--prices", "prices.toml"]
        first = run(*words, "--concurrency", "1", "--max-cost", "0.0015")
        assert first.returncode == 1
        assert "STOPPED at $0.0020 of --max-cost 0.0015" in first.stderr
        last = run(*words, "--json")
    assert (last.returncode, endpoint.asked) == (0, 4)
    assert json.loads(last.stdout)["cost_usd"] == pytest.approx(0.004)


def test_eval_with_other_settings_is_one_line(run: Command) -> None:
    assert run("eval", MATH, "-p", "null", "-n", "1").returncode == 0
    done = run("eval", MATH, "-p", "null", "-n", "1", "--temperature", "0")
    assert done.returncode == 1
    assert "has other settings: temperature (was 1.0, now 0.0)" in done.stderr
    assert done.stderr.count("\n") == 1


def test_suites_are_listed(run: Command) -> None:
    rows = {row["name"]: row for row in json.loads(run("suites", "--json").stdout)}
    assert list(rows) == ["all", "math", "python", "starter", "world"]
    assert rows["world"]["entries"][0]["split"] == "test_normal"
    assert "minutes on a CPU" in run("suites").stdout


def test_interrupt_while_an_endpoint_is_awaited_is_one_line_too(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:  # accepts, and never answers
        policy = f"openai:tiny@http://127.0.0.1:{server.getsockname()[1]}/v1"
        process = subprocess.Popen(
            [sys.executable, "-m", "agentgym.cli", "eval", MATH, "-p", policy, "-n", "3"],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd=tmp_path,
            env=dict(os.environ),
        )
        server.settimeout(60)
        connection, _ = server.accept()
        with connection:  # now it waits for an answer
            process.send_signal(signal.SIGINT)
            output, errors = process.communicate(timeout=60)
    assert process.returncode == 130
    assert output == ""
    assert errors == "agentgym: interrupted; run the same command again to go on\n"
