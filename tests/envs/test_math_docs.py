"""docs/math.md says what the checker does: every example is run, every limit compared."""

from __future__ import annotations

import importlib
import re
from pathlib import Path

import pytest

from agentgym_envs.math import answers, equivalent
from agentgym_envs.math.check import decide

DOCS = Path(__file__).parents[2] / "docs"
TEXT = (DOCS / "math.md").read_text()


def rows(name: str) -> list[list[str]]:
    """Return the cells of a marked table, without its head."""
    found = re.search(rf"<!-- {name}: [^\n]*-->\n(.*?)<!-- end of {name} -->", TEXT, re.DOTALL)
    assert found is not None, name
    lines = found[1].splitlines()[2:]
    return [[cell.strip().strip("`") for cell in line.strip("|").split("|")] for line in lines]


RULES = rows("rules")
LIMITS = rows("limits")


@pytest.mark.parametrize(("rule", "gold", "right", "wrong"), RULES)
def test_rule_is_as_documented(rule: str, gold: str, right: str, wrong: str) -> None:
    decision = decide(right, gold)
    assert decision.equal
    assert rule.partition(":")[0].partition(",")[0] in decision.rule
    assert not equivalent(wrong, gold)


def test_every_rule_is_documented() -> None:
    """Infinity is decided as an expression before its own rule is asked."""
    named = {rule for rule, *_ in RULES}
    rules = {name for name, _ in answers._RULES} - {"infinity with its sign"}
    assert {rule for rule in rules if not any(name.startswith(rule) for name in named)} == set()


@pytest.mark.parametrize(("limit", "value", "what"), LIMITS)
def test_limit_is_as_documented(limit: str, value: str, what: str) -> None:
    module, _, name = limit.partition(".")
    actual = getattr(importlib.import_module(f"agentgym_envs.math.{module}"), name)
    assert actual == int(value.replace(",", ""))
    assert what


def test_code_of_the_documentation_runs() -> None:
    blocks = re.findall(r"^```python\n(.*?)^```", TEXT, re.M | re.S)
    assert blocks
    for block in blocks:
        exec(compile(block, "math.md", "exec"), {})


def test_links_lead_somewhere() -> None:
    for target in re.findall(r"\]\(([^)\s]+)\)", TEXT):
        if "://" in target:
            continue
        path, _, anchor = target.partition("#")
        titles = re.findall(r"^#+ (.*)$", (DOCS / path).read_text(), re.M)
        assert not anchor or anchor in {title.lower().replace(" ", "-") for title in titles}


def test_count_of_cases_is_as_documented() -> None:
    folder = Path(__file__).parents[1] / "fixtures" / "math_cases"
    files = list(folder.glob("*.jsonl"))
    total = sum(len(path.read_text().splitlines()) for path in files)
    assert f"{total} cases in {len(files)} categories" in TEXT
