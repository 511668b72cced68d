"""LoRA by peft: small matrices are learned beside weights that never change.

The adapter is put into the model itself, so that everything else sees the model it knows. What the
sampler gets, and what a finished run leaves, are whole weights with the adapter merged in; the
base stays as it was read, so nothing of it drifts by merging and taking back. Checkpoints keep the
adapter alone, in the layout that `peft.PeftModel.from_pretrained` reads.

Left out: adapters on the head and the embeddings, and pushing the adapter alone (a sampler that
takes adapters needs a slot for them, and merging costs one small product a layer).
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from agentgym.errors import MissingExtra

__all__ = ["Adapter", "adapt", "load_adapter", "merged_tensors"]

_NAME = "default"
_FILE = "adapter_model.safetensors"
_PREFIX = "base_model.model."  # of every name in a file that peft wrote


def _peft() -> Any:
    try:
        import peft
    except ImportError as error:
        raise MissingExtra("peft", "lora") from error
    return peft


def adapt(model: Any, rank: int, alpha: float | None = None, seed: int = 0) -> None:
    """Put a new adapter on every linear layer but the head; freeze all else.

    Args:
        model: A Hugging Face causal language model; changed in place, its function not yet.
        rank: Of the two matrices beside each layer.
        alpha: Their product is scaled by ``alpha / rank``; None takes twice the rank.
        seed: Of the first of the two; the second begins at zero.

    Raises:
        MissingExtra: If peft is not installed.

    Source: Hu et al. 2021, "LoRA: Low-Rank Adaptation of Large Language Models".
    """
    peft = _peft()
    config = peft.LoraConfig(
        r=rank,
        lora_alpha=2 * rank if alpha is None else alpha,
        target_modules="all-linear",
        task_type="CAUSAL_LM",
        base_model_name_or_path=model.name_or_path,
    )
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        peft.inject_adapter_in_model(config, model, adapter_name=_NAME)
    model.eval()


def merged_tensors(model: Any) -> Iterator[tuple[str, Tensor]]:
    """Yield each weight once under its Hugging Face name, with what the adapter adds to it.

    A model without an adapter yields its weights themselves, tied ones under the first name.
    """
    modules = dict(model.named_modules())
    for name, parameter in model.named_parameters():
        if ".lora_" in name:
            continue
        owner, _, leaf = name.rpartition(".base_layer.")
        weight = parameter.detach()
        if owner and leaf == "weight":
            with torch.no_grad():
                weight = weight + modules[owner].get_delta_weight(_NAME).to(weight.dtype)
        yield f"{owner}.{leaf}" if owner else name, weight


class Adapter:
    """The adapter of a model, which can be saved as a model can.

    Args:
        model: One that `adapt` changed.
    """

    def __init__(self, model: Any) -> None:
        self.model = model

    def save_pretrained(self, folder: str | Path) -> None:
        """Write the adapter's two files, not the base."""
        from safetensors.torch import save_file

        state = _peft().get_peft_model_state_dict(self.model, adapter_name=_NAME)
        Path(folder).mkdir(parents=True, exist_ok=True)
        self.model.peft_config[_NAME].save_pretrained(folder)
        named = {_PREFIX + name: tensor.contiguous() for name, tensor in state.items()}
        save_file(named, Path(folder) / _FILE, metadata={"format": "pt"})


def load_adapter(model: Any, folder: Path) -> None:
    """Set the adapter's weights to those that `Adapter.save_pretrained` wrote.

    Args:
        model: One that `adapt` changed, with the same settings.
        folder: Where they are.
    """
    from safetensors.torch import load_file

    state = {name.removeprefix(_PREFIX): value for name, value in load_file(folder / _FILE).items()}
    _peft().set_peft_model_state_dict(model, state, adapter_name=_NAME)
