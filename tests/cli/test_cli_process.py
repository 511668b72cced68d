from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from agentgym.cli import VERBS

MATH = "agentgym/Math-v0"
HEAVY = ("torch", "transformers", "vllm", "numpy", "scipy", "textual", "pyarrow")


def agentgym(*words: str, stdin: str = "", **env: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "agentgym.cli", *words],
        input=stdin,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        env={**os.environ, "COLUMNS": "200", **env},
    )


def loaded_by(*words: str) -> set[str]:
    """Return the modules that a process has loaded after running a command."""
    code = (
        "import sys, agentgym.cli\n"
        f"agentgym.cli.main({list(words)!r})\n"
        "print('\\n' + ' '.join(sys.modules))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=120, check=True
    )
    return set(done.stdout.splitlines()[-1].split())


def test_help_lists_every_verb_and_loads_nothing_beyond_the_standard_library() -> None:
    done = agentgym("--help")
    assert done.returncode == 0
    assert all(f"\n  {verb} " in done.stdout for verb in VERBS)
    assert not loaded_by("--help") & {*HEAVY, "tyro", "pydantic", "gymnasium", "rich", "httpx"}


@pytest.mark.parametrize("verb", VERBS)
def test_help_of_a_verb_loads_nothing_heavy(verb: str) -> None:
    loaded = loaded_by(verb, "--help")
    assert "tyro" in loaded
    assert not loaded & {*HEAVY, "gymnasium"}


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["tran"], "no verb 'tran'; perhaps you meant 'train'?"),
        (["eval", "agentgym/Mth-v0", "-p", "null"], "did you mean 'agentgym/Math-v0'?"),
        (["eval", MATH, "-p", "orcle"], "no policy 'orcle'; perhaps you meant 'oracle'?"),
        (["eval", MATH, "-p", "null", "--task", "3"], "perhaps you meant '--tasks'?"),
        (["train", "--grop-size", "3"], "no flag '--grop-size'; perhaps you meant '--group-size'?"),
        (["train", "--algorithm", "rlo"], "no algorithm 'rlo'; perhaps you meant 'rloo'?"),
        (["train", "--group-size", "1"], "group_size must be at least 2 (it is 1)"),
        (["train", "--steps=-4"], "steps: input should be greater than or equal to 0 (it is -4)"),
        (["check", MATH, "--env-kwargs", "{"], "--env-kwargs must be JSON"),
        (["check", MATH, "--env-kwargs", '{"lvl": 1}'], "lvl"),
        (["train", "--config", "/no/such.toml"], "cannot read '/no/such.toml'"),
        (["train", "--config"], "--config needs a file"),
    ],
)
def test_mistake_in_a_command_is_one_line_with_the_way_out(words: list[str], expected: str) -> None:
    done = agentgym(*words)
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr.startswith("agentgym: error: ")
    assert expected in done.stderr
    assert done.stderr.count("\n") == 1


def test_command_without_a_verb_shows_the_help_and_fails() -> None:
    done = agentgym()
    assert (done.returncode, done.stdout.startswith("usage: agentgym VERB")) == (2, True)


def test_envs_lists_the_built_in_environments() -> None:
    rows = json.loads(agentgym("envs", "--json").stdout)
    assert {MATH, "agentgym/PythonMath-v0"} <= {row["id"] for row in rows}
    assert MATH in agentgym("envs").stdout


def test_check_passes_a_sound_environment() -> None:
    done = agentgym("check", MATH, "--tasks", "1", "--json")
    report = json.loads(done.stdout)
    assert (done.returncode, report["ok"]) == (0, True)
    assert {"oracle", "hostile", "replay"} <= {row["name"] for row in report["rows"]}


def test_check_fails_an_unsound_environment(tmp_path: Path) -> None:
    (tmp_path / "generous.py").write_text(
        "import agentgym as ag\n"
        "class Generous(ag.Env):\n"
        "    tasks = ag.TaskSet.of([ag.Task('a', 'Say it.', 'it')])\n"
        "    def begin(self, task): return task.prompt\n"
        "    def respond(self, action): return ag.Reply(verdict=ag.Verdict.of(fine=True))\n"
        "    def oracle(self, task): yield 'it'\n"
        "ag.register('demo/Generous-v0', 'generous:Generous')\n"
    )
    done = agentgym("check", "generous:demo/Generous-v0", "--json", PYTHONPATH=str(tmp_path))
    failed = {row["name"] for row in json.loads(done.stdout)["rows"] if not row["ok"]}
    assert done.returncode == 1
    assert {"constants", "hostile"} <= failed


def test_play_scores_what_a_person_types() -> None:
    done = agentgym("play", MATH, "--json", stdin="\\boxed{no number}\n")
    assert done.returncode == 0
    assert json.loads(done.stdout)["reward"] == 0.0


def test_play_takes_several_lines_between_quotes() -> None:
    done = agentgym("play", MATH, stdin='"""\nI think.\n\\boxed{x}\n"""\n')
    assert "reward 0" in done.stdout


def test_play_leaves_at_the_end_of_input() -> None:
    done = agentgym("play", MATH)
    assert (done.returncode, done.stderr) == (0, "")
    assert "left before the end" in done.stdout


def test_interrupt_is_one_line_and_status_130() -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "agentgym.cli", "play", MATH],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
    )
    assert process.stdout is not None
    assert process.stdout.readline()  # the prompt: now it waits for an action
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 130
    assert errors == "agentgym: interrupted; run the same command again to go on\n"


def test_reader_that_has_had_enough_is_no_error() -> None:
    command = f"{sys.executable} -m agentgym.cli envs --json | true"
    done = subprocess.run(command, shell=True, capture_output=True, text=True, check=False)
    assert done.stderr == ""
