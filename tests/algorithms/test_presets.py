from __future__ import annotations

import re
import subprocess
import sys
from dataclasses import fields
from typing import Any

import pytest

from agentgym.algorithms.advantages import ADVANTAGES, group_advantages
from agentgym.algorithms.losses import LOSSES, denominator
from agentgym.algorithms.own import row_or_own
from agentgym.algorithms.presets import PRESETS, Algorithm, mixed, preset
from agentgym.errors import ConfigError
from agentgym.train.config import TrainConfig


@pytest.mark.parametrize("name", sorted(PRESETS))
def test_preset_points_at_rows_that_exist(name: str) -> None:
    algorithm = preset(name)
    assert algorithm.name == name
    assert algorithm.advantage in ADVANTAGES or algorithm.critic
    assert algorithm.loss in LOSSES
    assert denominator(algorithm.aggregation, [2, 2], 3) > 0


@pytest.mark.parametrize("name", sorted(PRESETS))
def test_preset_says_whether_it_needs_siblings(name: str) -> None:
    algorithm = preset(name)
    alone = [1.0] if algorithm.critic else group_advantages(algorithm.advantage, [1.0])
    assert (alone == [None]) is algorithm.needs_siblings


def test_preset_names_the_nearest_algorithm() -> None:
    with pytest.raises(ConfigError, match="perhaps you meant 'rloo'"):
        preset("RLOO2")


@pytest.mark.parametrize("name", sorted(PRESETS))
def test_preset_fits_together(name: str) -> None:
    assert mixed(name, {}) == preset(name)


def test_mixed_replaces_parts_and_leaves_what_is_none() -> None:
    algorithm = mixed("loop", {"ratio": "turn", "epochs": None})
    assert (algorithm.ratio, algorithm.epochs, algorithm.advantage) == ("turn", 2, "rloo")


def test_mixed_takes_the_range_of_the_new_loss() -> None:
    assert mixed("gspo", {"loss": "ppo_clip"}).clip_low == 0.2
    assert mixed("dapo", {"loss": "gspo"}).clip_high == 4e-4
    assert mixed("dapo", {"loss": "cispo", "clip_high": 2.0}).clip_high == 2.0


@pytest.mark.parametrize(
    ("name", "parts", "text"),
    [
        ("rloo", {"advantage": "grp"}, "perhaps you meant 'grpo'"),
        ("rloo", {"loss": "ppoclip"}, "perhaps you meant 'ppo_clip'"),
        ("loop", {"ratio": "turns"}, "perhaps you meant 'turn'"),
        ("rloo", {"clip_lo": 0.2}, "perhaps you meant 'clip_low'"),
        ("rloo", {"mismatch": "sequence_msk"}, "perhaps you meant 'sequence_mask'"),
        ("rloo", {"clip_low": 0.2}, "clip_low does nothing with loss='policy_gradient'"),
        ("gspo", {"ratio": "turn"}, "ratio does nothing with loss='gspo': use loss='ppo_clip'"),
        ("rloo", {"loss": "ppo_clip"}, "set one of them above 1, or loss='policy_gradient'"),
        ("rloo", {"epochs": 2}, "use loss='ppo_clip', or epochs=1"),
        ("rloo", {"advantage": "gae"}, "set critic=true too, or use algorithm='ppo'"),
        ("rloo", {"critic": True}, "set advantage='gae', or critic=false"),
        ("rloo", {"baseline": "batch_mean"}, "takes no baseline 'batch_mean': leave it out"),
        ("reinforce", {"baseline": "group_mean"}, "batch_mean or moving_average or a number"),
        ("reinforce", {"baseline": "nan"}, "no baseline 'nan'"),
        ("rloo", {"baseline": "0.5"}, "takes no baseline '0.5': leave it out"),
        ("loop", {"dual_clip": 0.5}, "use a bound above 1, such as 3"),
        ("raft", {"whiten": True}, "set whiten=false"),
        ("ppo", {"least_advantage": 0.1}, "set least_advantage=0"),
        ("rloo", {"lam": 0.9}, "a part of advantage='gae'"),
        ("reinforce", {"dynamic_sampling": 2}, "set dynamic_sampling=0"),
        ("rloo", {"kl_coefficient": 0.1}, "set kl='reward' or 'loss'"),
        ("rloo", {"kl": "reward"}, "needs a kl_coefficient above 0"),
        (
            "rloo",
            {"kl": "reward", "kl_coefficient": 0.1, "kl_estimator": "k3"},
            "use kl_estimator='k1', or kl='loss'",
        ),
        ("rloo", {"kl": "loss", "kl_coefficient": 0.1}, "use kl_estimator='k2'"),
    ],
)
def test_mixed_refuses_what_contradicts_and_says_the_way_out(
    name: str, parts: dict[str, Any], text: str
) -> None:
    with pytest.raises(ConfigError, match=re.escape(text)):
        mixed(name, parts)


def test_mixed_takes_a_function_of_ones_own() -> None:
    algorithm = mixed("rloo", {"loss": "mine:loss", "advantage": "mine:advantage", "epochs": 2})
    assert (algorithm.loss, algorithm.needs_siblings) == ("mine:loss", True)


def test_own_function_is_imported_or_the_reason_given() -> None:
    assert row_or_own("loss", "agentgym.algorithms.losses:gspo", LOSSES) is LOSSES["gspo"]
    with pytest.raises(ConfigError, match=r"'nowhere:f' cannot be imported \(No module named"):
        row_or_own("loss", "nowhere:f", LOSSES)
    with pytest.raises(ConfigError, match="perhaps you meant 'gspo'"):
        row_or_own("loss", "gspo2", LOSSES)


def test_mixed_lets_imitation_repeat() -> None:
    assert mixed("raft", {"epochs": 3}).updates == 3


def test_every_part_is_a_setting() -> None:
    names = {field.name for field in fields(Algorithm)} - {"name"}
    assert names <= set(TrainConfig.model_fields)


def test_presets_load_without_torch() -> None:
    code = "import sys, agentgym.algorithms.presets; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
