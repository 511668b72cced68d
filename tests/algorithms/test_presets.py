from __future__ import annotations

import subprocess
import sys

import pytest

from agentgym.algorithms.advantages import ADVANTAGES, group_advantages
from agentgym.algorithms.losses import LOSSES, denominator
from agentgym.algorithms.presets import PRESETS, preset
from agentgym.errors import ConfigError


@pytest.mark.parametrize("name", sorted(PRESETS))
def test_preset_points_at_rows_that_exist(name: str) -> None:
    algorithm = preset(name)
    assert algorithm.name == name
    assert algorithm.advantage in ADVANTAGES
    assert algorithm.loss in LOSSES
    assert denominator(algorithm.aggregation, [2, 2], 3) > 0


@pytest.mark.parametrize("name", sorted(PRESETS))
def test_preset_says_whether_it_needs_siblings(name: str) -> None:
    alone = group_advantages(preset(name).advantage, [1.0])
    assert (alone == [None]) is preset(name).needs_siblings


def test_preset_names_the_nearest_algorithm() -> None:
    with pytest.raises(ConfigError, match="perhaps you meant 'rloo'"):
        preset("RLOO2")


def test_presets_load_without_torch() -> None:
    code = "import sys, agentgym.algorithms.presets; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
