"""The settings of an evaluation, checked before anything heavy is loaded."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field
from tyro.conf import Positional, arg

__all__ = ["FREE", "EvalConfig", "EvalSettings"]

FREE = frozenset(
    {
        "concurrency",
        "env_kwargs",  # with `split` and `what` they are in `environments`
        "env_processes",
        "episode_timeout_s",
        "fail_on_error",
        "max_cost",
        "out",
        "prices",
        "retries",
        "rollouts",
        "sizes",
        "split",
        "tasks",
        "what",
    }
)
"""What may differ when an evaluation is taken up again: what it costs, and how much is played."""

_LONGEST = 80  # characters of a folder's name


class EvalConfig(BaseModel):
    """What to evaluate, and how."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    what: Annotated[tuple[str, ...], Positional, arg(metavar="SUITE|ENV")] = Field(
        min_length=1, description="Suites, environment ids, or TOML files of suites."
    )
    policy: Annotated[str, arg(aliases=("-p",))] = Field(
        min_length=1,
        description="oracle, random, null, starter, replay:RUN, openai:MODEL[@URL], vllm:PATH, "
        "transformers:PATH, or the path of a model folder or run folder.",
    )
    tasks: Annotated[int | None, arg(aliases=("-n",))] = Field(
        None, ge=1, description="First tasks of each split. Default: the suite's; 50 of an id."
    )
    rollouts: Annotated[int | None, arg(aliases=("-r",))] = Field(
        None, ge=1, description="Episodes of each task. Default: the suite's; 1 of an id."
    )
    split: str | None = Field(
        None, description="Split that is played. Default: the suite's; test of an id."
    )
    env_kwargs: dict[str, Any] = Field(
        default_factory=dict, description="Keyword arguments of every environment."
    )
    out: Path | None = Field(
        None,
        description="Run folder; the same command on it finishes it. Default: runs/eval-<what>-"
        "<policy>-s<seed>.",
    )
    max_tokens: int = Field(512, ge=1, description="Most tokens of one turn.")
    temperature: float = Field(1.0, ge=0, description="Of sampling; 0 is greedy.")
    max_turns: int = Field(32, ge=1, description="Most turns of one episode.")
    context: int | None = Field(None, ge=2, description="Most tokens of one conversation.")
    max_episode_tokens: int | None = Field(
        None, ge=1, description="Most tokens that the policy writes in one episode."
    )
    episode_timeout_s: float = Field(600.0, gt=0, description="An episode beyond it is unscored.")
    max_cost: float | None = Field(
        None, gt=0, description="Dollars of the whole run, by --prices; then it stops."
    )
    prices: Path | None = Field(
        None, description="A .toml or .json file: model to dollars per million tokens."
    )
    fail_on_error: float = Field(
        0.05, ge=0, le=1, description="Exit status 1 if a greater share of episodes is unscored."
    )
    concurrency: int = Field(64, ge=1, description="Most episodes in flight.")
    env_processes: int = Field(
        0, ge=0, description="Processes that host environments; 0 is threads of this one."
    )
    retries: int = Field(2, ge=0, description="Further attempts at an episode after a fault.")
    seed: int = Field(0, ge=0, description="Of the environments.")

    @property
    def folder(self) -> Path:
        """Return the run folder."""
        if self.out is not None:
            return self.out
        what = "+".join(Path(word).stem if word.endswith(".toml") else word for word in self.what)
        name = _as_file_name(f"{what}-{self.policy}")
        return Path("runs") / f"eval-{name}-s{self.seed}"


class EvalSettings(EvalConfig):
    """Settings with what they came to: the ``config.json`` of a run folder."""

    weights: str = Field("", description="Fingerprint of the policy's weights, if it has any.")
    environments: dict[str, dict[str, Any]] = Field(
        default_factory=dict, description="Label to env, kwargs and split."
    )
    sizes: dict[str, dict[str, Any]] = Field(
        default_factory=dict, description="Label to tasks and rollouts."
    )


def _as_file_name(text: str) -> str:
    """Return a text as part of a file's name; what had to be changed or cut is told by a hash."""
    safe = re.sub(r"[^\w.+-]+", "-", text, flags=re.ASCII).strip("-.")
    if len(safe) <= _LONGEST:
        return safe
    digest = hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()[:8]
    return f"{safe[:_LONGEST]}-{digest}"
