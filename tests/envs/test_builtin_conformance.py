from __future__ import annotations

import pytest

from agentgym.check import check
from agentgym_envs.math.tasks import LEVELS


@pytest.mark.parametrize("env_id", ["agentgym/PythonMath-v0", "agentgym/Math-v0"])
@pytest.mark.parametrize("level", LEVELS)
def test_builtin_environment_keeps_the_contract(env_id: str, level: int) -> None:
    report = check(env_id, kwargs={"level": level, "split": "dev"})
    assert [row for row in report.rows if not row.ok] == []
