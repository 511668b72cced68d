"""A causal language model with a scalar head, and the folder that it is kept in.

The reward of an answer is one linear map of the last hidden state of its last token, the stop
token. The folder is a plain model folder with two files more: the head, and ``reward_model.json``
with the scale of the rewards and the report of the training. Ensembles are left out.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from agentgym.errors import ConfigError
from agentgym.policy.pretrained import load_model
from agentgym.types import Sample

__all__ = ["CARD", "HEAD", "RewardModel", "read_card"]

HEAD, CARD = "reward_head.safetensors", "reward_model.json"


class RewardModel(nn.Module):
    """Scores whole conversations.

    Args:
        base: A Hugging Face causal language model.
        seed: Of the head's first weights, normal with variance ``1 / (hidden size + 1)``.
    """

    def __init__(self, base: Any, seed: int = 0) -> None:
        super().__init__()
        # Not train(): dropout would give the two answers of a pair different models.
        self.base = base.eval()
        hidden = base.config.get_text_config().hidden_size
        self.head = nn.Linear(hidden, 1, bias=False, dtype=torch.float32)
        drawn = torch.randn(1, hidden, generator=torch.Generator().manual_seed(seed))
        self.head.weight.data.copy_(drawn / math.sqrt(hidden + 1))

    @classmethod
    def load(cls, folder: Path) -> RewardModel:
        """Return the model of a folder, or of a checkpoint, in float32.

        Raises:
            ConfigError: If it holds none.
        """
        model = cls(load_model(folder, torch.float32))
        try:
            model.head.load_state_dict(load_file(folder / HEAD))
        except (OSError, SafetensorError, RuntimeError) as error:
            reason = str(error).strip().splitlines()[0]
            raise ConfigError(
                f"no reward head in '{folder}' ({reason}); give a folder that "
                "agentgym reward-model wrote"
            ) from error
        return model

    def forward(self, samples: Sequence[Sample]) -> Tensor:
        """Return the reward of each conversation, shape (B,), float32."""
        device = self.head.weight.device
        lengths = torch.tensor([len(sample.ids) for sample in samples], device=device)
        ids = torch.zeros((len(samples), int(lengths.max())), dtype=torch.int64)
        for row, sample in enumerate(samples):
            ids[row, : len(sample.ids)] = torch.tensor(sample.ids)
        # Padding is on the right, so a causal model needs no mask to leave it out.
        hidden = self.base.base_model(input_ids=ids.to(device), use_cache=False).last_hidden_state
        last = hidden[torch.arange(len(samples), device=device), lengths - 1]
        with torch.autocast(device.type, enabled=False):
            rewards: Tensor = self.head(last.float()).squeeze(-1)
        return rewards

    def save_pretrained(self, folder: Path) -> None:
        """Write weights and head; the name is that of Hugging Face's models."""
        self.base.save_pretrained(folder)
        save_file({"weight": self.head.weight.detach().cpu().contiguous()}, folder / HEAD)


def read_card(folder: Path) -> dict[str, Any]:
    """Return what ``reward_model.json`` says.

    Raises:
        ConfigError: If it is missing or has no scale.
    """
    try:
        card = json.loads((folder / CARD).read_text("utf-8"))
        scale = (float(card["mean"]), float(card["std"]))
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ConfigError(
            f"no reward model in '{folder}' ({error!r}); give a folder that "
            "agentgym reward-model wrote"
        ) from error
    if not all(map(math.isfinite, scale)) or scale[1] <= 0:
        raise ConfigError(f"the reward model in '{folder}' has no scale: mean, std = {scale}")
    return dict(card)
