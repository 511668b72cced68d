from __future__ import annotations

from pathlib import Path

import pytest

from agentgym.cli import main
from agentgym.commands import COMMANDS
from agentgym.errors import RunError
from agentgym.terminal import full_disk_told


def fill_a_disk() -> None:
    with Path("/dev/full").open("w") as file:  # the kernel's own full disk
        file.write("x")


def test_full_disk_names_the_folder_and_that_the_run_can_go_on(tmp_path: Path) -> None:
    with (
        pytest.raises(RunError, match=f"disk of '{tmp_path}' is full.*same command again"),
        full_disk_told(tmp_path),
    ):
        fill_a_disk()


def test_full_disk_is_known_by_the_error_of_safetensors(tmp_path: Path) -> None:
    text = "Error while serializing: I/O error: No space left on device (os error 28)"
    with pytest.raises(RunError, match="is full"), full_disk_told(tmp_path):
        raise RuntimeError(text)


def test_full_disk_leaves_other_errors_alone(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match="PytorchStreamWriter"), full_disk_told(tmp_path):
        raise RuntimeError("PytorchStreamWriter failed writing file, with room to spare")


def test_full_disk_in_any_verb_is_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fills(argv: list[str]) -> int:
        fill_a_disk()
        return 0

    monkeypatch.setitem(COMMANDS, "envs", fills)  # type: ignore[arg-type]
    assert main(["envs"]) == 1
    assert "is full" in capsys.readouterr().err
