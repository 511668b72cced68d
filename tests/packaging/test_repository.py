"""What holds for the repository as a whole."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
# Folders of one particular machine. Spelled apart, so that this file does not find itself.
PRIVATE = re.compile(rb"/(" + b"|".join((b"root", b"home", b"work", b"opt", b"Users")) + rb")/")


def test_import_contracts_hold() -> None:
    command = Path(sys.executable).with_name("lint-imports")
    done = subprocess.run(
        [str(command), "--no-cache"], check=False, capture_output=True, text=True, cwd=ROOT
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "2 kept, 0 broken" in done.stdout


def test_no_tracked_file_names_a_folder_of_one_machine() -> None:
    if not (ROOT / ".git").exists() or shutil.which("git") is None:
        pytest.skip("not a git checkout")
    listed = subprocess.run(
        ["git", "ls-files", "-z"], check=True, capture_output=True, text=True, cwd=ROOT
    )
    names = [name for name in listed.stdout.split("\0") if name and not name.endswith(".whl")]
    assert len(names) > 100
    files = {name: ROOT / name for name in names if (ROOT / name).is_file()}
    assert [name for name, file in files.items() if PRIVATE.search(file.read_bytes())] == []
