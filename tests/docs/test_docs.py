"""The documentation says what the code does: tables in step with it, code that runs, links.

`python tests/docs/test_docs.py --write` makes the generated parts of docs/training.md anew.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path
from typing import Any, get_args, get_origin

import pytest
from pydantic_core import PydanticUndefined

from agentgym.algorithms.presets import PRESETS
from agentgym.check import CHECKS
from agentgym.evaluate.runner import evaluate
from agentgym.policy.resolve import POLICIES
from agentgym.policy.scripted import NullPolicy
from agentgym.train.config import TrainConfig
from agentgym.train.folder import _FREE
from agentgym.types import Episode

DOCS = Path(__file__).parents[2] / "docs"
TRAINING = DOCS / "training.md"
MINE = (
    "environments.md",
    "training.md",
    "algorithms.md",
    "evaluation.md",
    "reports.md",
    "statistics.md",
    "runs.md",
    "world.md",
    "reward_models.md",
    "appworld.md",
)
RUN = (
    "environments.md",
    "algorithms.md",
    "evaluation.md",
    "statistics.md",
    "runs.md",
    "reward_models.md",
)


def settings_table() -> str:
    """Return a row for every setting: name, default, type, bounds, meaning."""
    rows = ["| setting | default | | |", "|---|---|---|---|"]
    for name, field in TrainConfig.model_fields.items():
        default = field.get_default(call_default_factory=True)
        shown = "" if default is PydanticUndefined else f"`{json.dumps(default, default=str)}`"
        about = str(field.description).replace("<", "\\<")  # or it would be taken for a tag
        rows.append(f"| `{name}` | {shown} | {kind_of(field)} | {about} |")
    return "\n".join(rows)


def kind_of(field: Any) -> str:
    """Return a type in words, with its bounds: ``int >= 1``."""
    kinds = [kind for kind in get_args(field.annotation) or (field.annotation,)]
    if get_origin(field.annotation) is dict:
        name = "mapping"
    elif all(isinstance(kind, str) for kind in kinds):
        name = " or ".join(f"`{kind}`" for kind in kinds)
    else:
        name = " or ".join("none" if k is type(None) else k.__name__ for k in kinds)
    signs = {"ge": ">=", "gt": ">", "le": "<=", "lt": "<"}
    bounds = [
        f"{signs[key]} {getattr(mark, key)}"
        for mark in field.metadata
        for key in signs
        if getattr(mark, key, None) is not None
    ]
    return f"{name}{', ' if bounds else ''}{', '.join(bounds)}"


def free_list() -> str:
    return ", ".join(f"`{name}`" for name in sorted(_FREE)) + "."


PARTS = {"settings": settings_table, "free": free_list}


def pattern(name: str) -> re.Pattern[str]:
    return re.compile(rf"(<!-- {name}: [^\n]* -->\n)(.*?)\n?(<!-- end of {name} -->)", re.DOTALL)


def write() -> None:
    text = TRAINING.read_text()
    for name, make in PARTS.items():
        found = pattern(name).search(text)
        assert found is not None, name
        text = text[: found.start(2)] + make() + "\n" + text[found.start(3) :]
    TRAINING.write_text(text)


@pytest.mark.parametrize("name", PARTS)
def test_generated_part_is_up_to_date(name: str) -> None:
    found = pattern(name).search(TRAINING.read_text())
    assert found is not None
    assert found[2] == PARTS[name](), "run: python tests/docs/test_docs.py --write"


def names_in_tables(document: str) -> set[str]:
    """Return every name in backticks in the first cell of a table's row."""
    text = (DOCS / document).read_text()
    cells = [line.split("|")[1] for line in text.splitlines() if line.startswith("| ")]
    return {name for cell in cells for name in re.findall(r"`([^`]+)`", cell)}


def test_every_metric_is_explained(tiny: Path, tmp_path: Path) -> None:
    """A row of a real run has the documented names, and no others."""
    from parity_run import settings

    import agentgym as ag

    ag.train(settings(str(tiny), str(tmp_path / "run"), 1))
    row = json.loads((tmp_path / "run" / "metrics.jsonl").read_text().splitlines()[0])
    text = TRAINING.read_text()
    section = text[text.index("## Metrics") : text.index("## Warm start")]
    cells = [line.split("|")[1] for line in section.splitlines() if line.startswith("| `")]
    assert {name for cell in cells for name in re.findall(r"`(\w+)`", cell)} == set(row)
    written = {path.name for path in (tmp_path / "run").iterdir()} - {"checkpoints", "tensorboard"}
    assert written <= names_in_tables("training.md")
    summary = json.loads((tmp_path / "run" / "summary.json").read_text())
    assert set(summary) <= names_in_tables("training.md")


def test_every_field_of_an_episode_is_named() -> None:
    text = TRAINING.read_text()
    assert [f.name for f in fields(Episode) if f"`{f.name}`" not in text] == []


def test_every_figure_of_an_evaluation_is_explained() -> None:
    summary = evaluate("agentgym/Math-v0", NullPolicy(), tasks=1).summary()
    assert set(summary) <= names_in_tables("evaluation.md")


def test_every_policy_is_named() -> None:
    names = " ".join(names_in_tables("evaluation.md"))
    assert [name for name in POLICIES if not re.search(rf"\b{name}\b", names)] == []


def test_every_check_and_preset_is_explained() -> None:
    assert set(CHECKS) <= names_in_tables("environments.md")
    assert set(PRESETS) <= names_in_tables("algorithms.md")


def blocks(document: str) -> list[str]:
    return re.findall(r"^```python\n(.*?)^```", (DOCS / document).read_text(), re.M | re.S)


@pytest.mark.parametrize("document", RUN)
def test_code_runs(document: str, tmp_path: Path) -> None:
    """A block that begins with a file's name is that file; the others are one program."""
    program = []
    for block in blocks(document):
        file = re.match(r"# (\w+\.py)\n", block)
        if file is None:
            program.append(block)
        else:
            (tmp_path / file[1]).write_text(block)
    script = tmp_path / "program.py"
    script.write_text("\n".join(program))
    done = subprocess.run(
        [sys.executable, str(script)],
        check=False,
        capture_output=True,
        text=True,
        timeout=120,
        cwd=tmp_path,
    )
    assert program
    assert done.returncode == 0, done.stderr


def test_code_of_training_is_sound(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its runs take minutes, so that only the settings are looked at, not trained with."""
    import agentgym as ag
    from agentgym.train import loop, starter

    asked: list[Any] = []
    run = loop.Run(tmp_path, {"gain": None})
    monkeypatch.setitem(vars(ag), "train", lambda *a, **k: asked.append(a) or run)
    monkeypatch.setattr(starter, "ensure_starter", lambda recipe, progress: tmp_path)
    names: dict[str, Any] = {}
    for block in blocks("training.md"):
        exec(compile(block, "training.md", "exec"), names)
    assert asked[0][0].steps == 120
    assert names["config"].model == str(tmp_path)


def links() -> Iterator[tuple[str, str]]:
    for document in MINE:
        for target in re.findall(r"\]\(([^)\s]+)\)", (DOCS / document).read_text()):
            if "://" not in target:
                yield document, target


@pytest.mark.parametrize(("document", "target"), list(links()))
def test_link_leads_somewhere(document: str, target: str) -> None:
    path, _, anchor = target.partition("#")
    file = (DOCS / path) if path else DOCS / document
    assert file.is_file()
    titles = re.findall(r"^#+ (.*)$", file.read_text(), re.M)
    assert not anchor or anchor in {title.lower().replace(" ", "-") for title in titles}


@pytest.mark.parametrize("document", MINE)
def test_files_that_are_named_exist(document: str) -> None:
    text = (DOCS / document).read_text()
    named = re.findall(r"`((?:examples|tests|docs|sandbox)/[\w./-]+)`", text)
    assert [name for name in named if not (DOCS.parent / name).exists()] == []


if __name__ == "__main__" and sys.argv[1:] == ["--write"]:
    write()
