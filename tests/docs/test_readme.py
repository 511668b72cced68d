"""The README says what is true: its tree, its environment, its commands.

`python tests/docs/test_readme.py --write` brings the tree up to date.
"""

from __future__ import annotations

import ast
import importlib
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
README = ROOT / "README.md"
START, END = "<!-- tree: made by tests/docs/test_readme.py --write -->\n", "<!-- end of tree -->\n"
OTHERS = {
    "requirements/": "The tested set for a CPU, with its stand-in wheels",
    "examples/": "Scripts to copy, each run by a test",
    "benchmarks/": "Figures beside the baseline of the same run",
    "docs/": "Environments, training, algorithms, evaluation, benchmarks",
    "tests/": "Mirrors the packages",
}


def tree() -> str:
    """One line a file: its path, and the first line of its docstring."""
    modules = sorted(
        path
        for package in ("agentgym", "envs/agentgym_envs", "sandbox/agentgym_sandbox")
        for path in (ROOT / package).rglob("*.py")
    )
    rows = {}
    for path in modules:
        docstring = ast.get_docstring(ast.parse(path.read_text())) or ""
        rows[str(path.relative_to(ROOT))] = docstring.split("\n")[0].rstrip(".").replace("`", "")
    rows |= OTHERS
    width = max(map(len, rows))
    lines = "\n".join(f"{name:<{width}}  {what}" for name, what in rows.items())
    return f"{START}```text\n{lines}\n```\n{END}"


def replaced(text: str) -> str:
    return re.sub(re.escape(START) + ".*?" + re.escape(END), lambda _: tree(), text, flags=re.S)


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", README.read_text(), flags=re.S)


def test_tree_is_up_to_date() -> None:
    text = README.read_text()
    assert START in text
    assert text == replaced(text), "run: python tests/docs/test_readme.py --write"


def test_environment_of_the_readme_is_short_and_sound(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from agentgym.check import check

    (block,) = [block for block in blocks("python") if "class Sums" in block]
    code = [line for line in block.splitlines() if line.strip()]
    assert len(code) <= 16  # fifteen, and the import
    (tmp_path / "readme_sums.py").write_text(block)
    monkeypatch.syspath_prepend(tmp_path)
    importlib.import_module("readme_sums")
    report = check("demo/Sums-v0")
    assert report.ok, report


def test_evaluation_of_the_readme_runs() -> None:
    (block,) = [block for block in blocks("python") if "ag.evaluate" in block]
    command = [sys.executable, "-c", block]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "mean=1.0" in done.stdout


def test_training_settings_of_the_readme_are_valid() -> None:
    import agentgym as ag

    (block,) = [block for block in blocks("python") if "ag.train" in block]
    (settings,) = re.findall(r"ag\.TrainConfig\(.*?\)", block)
    assert eval(settings, {"ag": ag}).steps == 120


def test_verbs_of_the_readme_exist() -> None:
    from agentgym.cli import VERBS

    verbs = set(re.findall(r"^    agentgym ([\w-]+)", README.read_text(), flags=re.M))
    assert verbs == set(VERBS)


def test_linked_files_exist() -> None:
    links = re.findall(r"\]\(([\w/.]+)\)", README.read_text())
    assert links
    for link in links:
        assert (ROOT / link).exists(), link


if __name__ == "__main__" and "--write" in sys.argv:
    README.write_text(replaced(README.read_text()))
