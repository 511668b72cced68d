"""The settings of learning from preference pairs, checked before anything heavy is loaded."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field
from tyro.conf import Positional, arg

__all__ = ["DpoConfig", "PairsConfig", "RewardModelConfig", "WatchConfig"]


class PairsConfig(BaseModel):
    """What both ways of learning from pairs share."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    pairs: Annotated[Path, Positional, arg(metavar="PAIRS")] = Field(
        description='JSON Lines, each {"prompt": ..., "chosen": ..., "rejected": ...}.'
    )
    model: str = Field(
        "starter",
        description="'starter' (made here), a model folder, or a name on the model hub.",
    )
    out: Path | None = Field(
        None, description="Folder; the same command on it goes on. Default: runs/<name>."
    )
    held_out: float = Field(
        0.1, gt=0, lt=1, description="Share of the prompts that is tested on, by hash."
    )
    epochs: int = Field(1, ge=1, description="Times that every pair is seen.")
    batch: int = Field(32, ge=1, description="Pairs an optimizer step.")
    lr: float | None = Field(
        None, gt=0, allow_inf_nan=False, description="Peak rate; default: by kind of model."
    )
    warmup_steps: int = Field(10, ge=0, description="Steps of linear warm-up.")
    weight_decay: float = Field(0.0, ge=0, description="Of AdamW.")
    max_grad_norm: float = Field(1.0, gt=0, description="Gradients are clipped to this norm.")
    micro_batch_tokens: int = Field(
        16_384, ge=2, description="Places of one padded forward; gradients are accumulated."
    )
    context: int | None = Field(
        None, ge=2, description="Pairs with more tokens are left out; default: the model's limit."
    )
    save_every: int = Field(50, ge=1, description="Steps between two checkpoints.")
    seed: int = Field(0, ge=0, description="Of the order of the pairs and of a new head.")

    @property
    def is_starter(self) -> bool:
        """Whether the model is a starter, which wants large steps."""
        return Path(self.model).name.startswith("starter")

    def _folder(self, kind: str) -> Path:
        name = re.sub(r"[^\w-]+", "-", self.pairs.stem).strip("-") or "pairs"
        return self.out if self.out is not None else Path("runs") / f"{name}-{kind}-s{self.seed}"


class RewardModelConfig(PairsConfig):
    """How a reward model is trained."""

    margin: float = Field(
        0.0,
        ge=0,
        allow_inf_nan=False,
        description="Least difference of two rewards, for pairs that name none.",
    )
    centering: float = Field(
        0.01, ge=0, allow_inf_nan=False, description="Weight of (chosen + rejected)^2; 0: none."
    )

    @property
    def folder(self) -> Path:
        """Return the run folder."""
        return self._folder("reward")

    @property
    def learning_rate(self) -> float:
        """Return `lr`, or the default for this kind of model."""
        return self.lr if self.lr is not None else (1e-3 if self.is_starter else 1e-5)


class DpoConfig(PairsConfig):
    """How a policy is trained on preference pairs."""

    beta: float = Field(
        0.1, gt=0, allow_inf_nan=False, description="Strength of the implicit KL penalty."
    )
    label_smoothing: float = Field(
        0.0, ge=0, lt=0.5, description="Share of pairs taken to be labelled the wrong way."
    )
    kl_samples: int = Field(
        64, ge=0, description="Held-out prompts answered to measure the KL; 0 leaves it out."
    )
    max_tokens: int = Field(256, ge=1, description="Most tokens of each of these answers.")

    @property
    def folder(self) -> Path:
        """Return the run folder."""
        return self._folder("dpo")

    @property
    def learning_rate(self) -> float:
        """Return `lr`, or the default for this kind of model."""
        return self.lr if self.lr is not None else (1e-4 if self.is_starter else 5e-7)


class WatchConfig(BaseModel):
    """Whose over-optimisation is looked for."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    source: Annotated[Path, Positional, arg(metavar="SOURCE")] = Field(
        description="A run folder, or JSON Lines of samples, each "
        '{"prompt": ..., "answer": ..., "gold": ...} or {"prompt": ..., "gold": ..., "learned": '
        "...}, several a prompt."
    )
    reward_model: Path | None = Field(
        None, description="Folder of the reward model that scores samples without 'learned'."
    )
    gold: str = Field("right", description="Rule of the run's verdicts that is the truth.")
    learned: str = Field("learned", description="Rule of the run's verdicts that is watched.")
    reference: str | None = Field(
        None, description="Model that a run's KL is taken to; default: the one it began from."
    )
    points: int = Field(12, ge=2, description="Most steps of a run that are looked at.")
    out: Path | None = Field(
        None, description="Folder of the report; default: the run folder, or beside the file."
    )
