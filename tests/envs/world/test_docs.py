from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from agentgym_envs.world.apps import APPS

TEXT = (Path(__file__).parents[3] / "docs" / "world.md").read_text()


def ran(number: int) -> dict[str, Any]:
    block = re.findall(r"```python\n(.*?)```", TEXT, re.DOTALL)[number]
    names: dict[str, Any] = {}
    exec(compile(block, "world.md", "exec"), names)
    return names


def test_the_example_of_the_document_runs() -> None:
    assert ran(0)["reward"] == 1.0


def test_the_example_of_a_server_runs(capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("mcp", reason="the extra 'mcp' is not installed")
    assert ran(1)["server"].name == "agentgym-world"
    assert capsys.readouterr().out == "0.0\n"


def test_the_document_names_every_app() -> None:
    named = re.search(r"^Apps: (.*?)\. Forty", TEXT, re.MULTILINE | re.DOTALL)
    assert named is not None
    assert set(re.findall(r"`(\w+)`", named[1])) == {a.name for a in APPS.values() if a.accounts}
