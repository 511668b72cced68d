"""Gradient checkpointing: the activations inside a layer are made again in the backward pass.

Transformers' own switch works in training mode only, where dropout would make the learner's
distribution another one than the sampler's; so the layers are wrapped here.
"""

from __future__ import annotations

from functools import partial
from typing import Any

from torch.utils.checkpoint import checkpoint

from agentgym.errors import ConfigError

__all__ = ["recompute_layers"]


def recompute_layers(model: Any) -> int:
    """Keep only the input of each layer between forward and backward; return how many layers.

    Args:
        model: A Hugging Face model; changed in place.

    Raises:
        ConfigError: If it has no layers that transformers can checkpoint.
    """
    from transformers.modeling_layers import GradientCheckpointingLayer

    layers = [each for each in model.modules() if isinstance(each, GradientCheckpointingLayer)]
    if not layers:
        raise ConfigError(
            f"gradient_checkpointing: {type(model).__name__} has no layers that transformers can "
            "checkpoint; leave it off, or lower micro_batch_tokens"
        )
    for layer in layers:
        layer.forward = partial(checkpoint, layer.forward, use_reentrant=False)
    return len(layers)
