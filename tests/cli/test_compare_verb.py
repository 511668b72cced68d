"""The verb `compare`, on evaluations that the verb `eval` has made."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from agentgym.cli import main

ENV = "agentgym/PythonMath-v0"


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, str]:
    folder = tmp_path_factory.mktemp("runs")
    for policy, tasks in (("null", 9), ("oracle", 7)):
        command = ["eval", ENV, "-p", policy, "-n", str(tasks), "--out", str(folder / policy)]
        assert main(command) == 0
    return str(folder / "null"), str(folder / "oracle")


def test_compare_shows_figures_and_a_verdict(
    runs: tuple[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["compare", *runs]) == 0
    text = capsys.readouterr().out
    assert "A: null (null)\nB: oracle (oracle)\n" in text
    assert "+1.000 on each shared task" in text
    assert "sign flip 0.016, Holm 0.016" in text  # 2 / 2^7
    assert "only A has    2: " in text
    assert "7 distinct among 7 successes of 7 tasks" in text
    assert text.endswith("B is better by 1.000 on each of the 7 shared tasks\n")


def test_compare_writes_one_json_object(
    runs: tuple[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["compare", *reversed(runs), "--json", "--alpha", "0.01"]) == 0
    found = json.loads(capsys.readouterr().out)
    row = found["environments"][ENV]
    assert (found["a"], found["confidence"]) == ({"run": "oracle", "policy": "oracle"}, 0.99)
    assert (row["difference"], row["p_t"]) == ({"mean": -1.0, "interval": None}, None)
    assert (row["shared_tasks"], row["better"], len(row["only_b"])) == (7, None, 2)
    assert row["verdict"].endswith("7 shared tasks are too few to show one; take 8 or more")


def test_compare_shows_names_of_tasks_harmless(
    tmp_path: Path, runs: tuple[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "[bold]x"
    folder.mkdir()
    text = (Path(runs[1]) / "episodes.jsonl").read_text()
    evil = json.dumps("[/red]\x1b[31m\ud800")
    (folder / "config.json").write_text((Path(runs[1]) / "config.json").read_text())
    (folder / "episodes.jsonl").write_text(text.replace('"task_id": "', f'"task_id": {evil[:-1]}'))
    assert main(["compare", str(folder), str(folder)]) == 0
    assert main(["compare", str(folder), runs[0]]) == 0
    shown = capsys.readouterr().out
    assert "A: [bold]x (oracle)" in shown
    assert "[/red]\ufffd[31m\ufffd" in shown
    assert "\x1b" not in shown


def test_compare_tells_a_folder_that_is_no_run(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["compare", str(tmp_path), str(tmp_path)]) == 1
    assert "no run folder" in capsys.readouterr().err


def test_compare_loads_nothing_heavy(runs: tuple[str, str]) -> None:
    program = (
        "import sys; from agentgym.cli import main; main(sys.argv[1:]);"
        "print([n for n in ('torch', 'numpy', 'scipy', 'gymnasium') if n in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, "compare", *runs, "--json"],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert done.stdout.splitlines()[-1] == "[]"
