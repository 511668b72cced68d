"""The names of samplers, and which settings go with them."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from agentgym.errors import ConfigError
from agentgym.policy.samplers import sampler
from agentgym.train.config import TrainConfig


def test_an_unknown_sampler_is_told_which_there_are() -> None:
    with pytest.raises(ConfigError, match="no sampler 'vlm'; use 'vllm', 'vllm-process'"):
        sampler("vlm", "somewhere")
    with pytest.raises(ValidationError, match="no sampler 'vlm'"):
        TrainConfig(sampler="vlm")


@pytest.mark.parametrize(
    "name", ["vllm", "vllm-process", "vllm-server", "transformers", "http://127.0.0.1:8000"]
)
def test_every_sampler_is_a_setting_and_only_those_of_this_process_repeat(name: str) -> None:
    assert TrainConfig(sampler=name).sampler == name
    if name in ("vllm", "transformers"):
        assert TrainConfig(sampler=name, deterministic=True).deterministic
    else:
        with pytest.raises(ValidationError, match="cannot repeat to the last bit"):
            TrainConfig(sampler=name, deterministic=True)
