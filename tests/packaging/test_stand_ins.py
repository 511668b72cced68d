"""The stand-in wheels hold no module, and the committed script made them."""

from __future__ import annotations

import runpy
import zipfile
from pathlib import Path

import pytest

REQUIREMENTS = Path(__file__).parents[2] / "requirements"
WHEELS = sorted((REQUIREMENTS / "absent").iterdir())


@pytest.mark.parametrize("wheel", WHEELS, ids=lambda wheel: wheel.name)
def test_stand_in_holds_its_metadata_and_nothing_else(wheel: Path) -> None:
    info = "-".join(wheel.stem.split("-")[:2]) + ".dist-info"
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
    assert names == {f"{info}/{name}" for name in ("METADATA", "WHEEL", "RECORD")}


def test_script_writes_the_same_bytes(tmp_path: Path) -> None:
    script = runpy.run_path(str(REQUIREMENTS / "make_absent.py"))
    for package, release in script["ABSENT"].items():
        script["write_wheel"](tmp_path, package, release)
    written = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    assert written == {path.name: path.read_bytes() for path in WHEELS}


def test_constraints_pin_every_stand_in() -> None:
    lines = (REQUIREMENTS / "constraints-cpu.txt").read_text().splitlines()
    script = runpy.run_path(str(REQUIREMENTS / "make_absent.py"))
    assert {f"{name}=={release}" for name, release in script["ABSENT"].items()} <= set(lines)
