"""The verb `sandbox`, on this machine's own kernel and, where one answers, its Docker engine."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import uuid

import pytest

from agentgym.cli import main


def test_report_of_the_local_sandbox_names_what_is_in_force(
    capsys: pytest.CaptureFixture[str],
) -> None:
    status = main(["sandbox", "report", "--json"])
    out, err = capsys.readouterr()
    if not out:
        pytest.skip(f"no isolation on this machine: {err}")
    report = json.loads(out)
    assert (report["backend"], report["tier"]) == ("local", "namespaces")
    assert report["mechanisms"]["seccomp"]
    assert status == (1 if report["missing"] else 0)


def test_report_is_readable(capsys: pytest.CaptureFixture[str]) -> None:
    main(["sandbox", "report"])
    out, err = capsys.readouterr()
    if not out:
        pytest.skip(f"no isolation on this machine: {err}")
    words = [line.split() for line in out.splitlines()]
    assert ["seccomp", "in", "force"] in words


def test_help_names_the_tasks(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["sandbox", "--help"]) == 0
    out = capsys.readouterr().out
    assert "build-image" in out
    assert "report" in out


def test_no_task_is_a_mistake() -> None:
    assert main(["sandbox"]) == 2


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["buld-image"], "sandbox has no task 'buld-image'; perhaps you meant 'build-image'?"),
        (["report", "--backend", "podman"], "podman"),
        (["build-image", "--source", "alpine"], "alpine"),
        (["build-image", "--package", "numpy"], "perhaps you meant '--packages'?"),
    ],
)
def test_mistakes_are_told_in_one_line(words: list[str], told: str) -> None:
    command = [sys.executable, "-m", "agentgym", "sandbox", *words]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert told in done.stderr
    assert done.stderr.count("\n") == 1


def test_a_module_that_is_not_there_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["sandbox", "build-image", "--packages", "no_such_module"]) == 1
    assert "no module 'no_such_module'" in capsys.readouterr().err


def test_build_image_makes_one_that_runs_python(capsys: pytest.CaptureFixture[str]) -> None:
    if not _engine_answers():
        pytest.skip("no Docker engine answers")
    name = f"agentgym-test-{uuid.uuid4().hex[:8]}:latest"
    try:
        status = main(
            [
                "sandbox",
                "build-image",
                "--name",
                name,
                "--packages",
                "docstring_parser, typing_extensions",
                "--json",
            ]
        )
        made = json.loads(capsys.readouterr().out)
        assert (status, made["name"]) == (0, name)
        assert made["id"].startswith("sha256:")
        command = ["docker", "run", "--rm", "--network=none", name]
        code = "import docstring_parser, typing_extensions; print(6 * 7)"
        done = subprocess.run(
            [*command, "python3", "-c", code], capture_output=True, text=True, check=False
        )
        assert done.stdout == "42\n", done.stderr
    finally:
        subprocess.run(["docker", "rmi", "-f", name], capture_output=True, check=False)


def _engine_answers() -> bool:
    if not shutil.which("docker"):
        return False
    command = ["docker", "version", "--format", "{{.Server.Version}}"]
    return subprocess.run(command, capture_output=True, check=False, timeout=10).returncode == 0
