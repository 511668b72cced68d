"""The settings of a training run, checked before anything heavy is loaded. No torch here."""

from __future__ import annotations

import re
from dataclasses import fields
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from agentgym.algorithms.presets import Algorithm, mixed
from agentgym.errors import ConfigError
from agentgym.policy.samplers import SAMPLERS, is_url
from agentgym.suggest import perhaps_you_meant

__all__ = ["TrainConfig"]

_TRUNCATIONS = ("top_p", "top_k", "min_p")  # of the distribution; settings elsewhere, not here


class TrainConfig(BaseModel):
    """One training run; the defaults are the main job of this repository."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    env: Annotated[str, Field(description="Environment id.")] = "agentgym/PythonMath-v0"
    env_kwargs: Annotated[
        dict[str, Any], Field(description="Keyword arguments of the environment.")
    ] = {}
    model: Annotated[
        str,
        Field(
            description="'starter' (made here from the environment's demonstrations), a model "
            "folder, or a name on the model hub."
        ),
    ] = "starter"
    algorithm: Annotated[
        str,
        Field(
            description="A preset: reinforce, rloo, grpo, dr_grpo, loop, raft, reinforce_pp, dapo, "
            "gspo, cispo or ppo. The parts of it below are the preset's where they are none."
        ),
    ] = "rloo"
    sampler: Annotated[
        str,
        Field(
            description="What samples episodes while training: vllm (in this process), "
            "vllm-process, vllm-server, transformers, or the URL of a vLLM server."
        ),
    ] = "vllm"
    weights_folder: Annotated[
        Path | None,
        Field(
            description="Where weights are written for a sampler outside of this process, which "
            "must see it under the same path. Default: shared memory."
        ),
    ] = None
    out: Annotated[
        Path | None,
        Field(description="Run folder; the same command on it goes on. Default: runs/<name>."),
    ] = None
    seed: Annotated[int, Field(ge=0, description="Of tasks, sampling and everything else.")] = 0

    steps: Annotated[int, Field(ge=0, description="Optimizer steps.")] = 80
    tasks_per_step: Annotated[int, Field(ge=1, description="Groups a step.")] = 16
    group_size: Annotated[int, Field(ge=1, description="Episodes a group (K).")] = 8
    split: Annotated[str, Field(description="Split that is trained on.")] = "train"
    skip_no_signal: Annotated[
        bool, Field(description="Leave groups out of the loss whose advantages are all zero.")
    ] = True

    lr: Annotated[
        float | None,
        Field(
            gt=0,
            description="Learning rate after the warm-up; default: 2e-4 for a starter, 1e-6 else.",
        ),
    ] = None
    warmup_steps: Annotated[int, Field(ge=0, description="Steps of linear warm-up.")] = 10
    weight_decay: Annotated[float, Field(ge=0, description="Of AdamW.")] = 0.0
    max_grad_norm: Annotated[
        float, Field(gt=0, description="Gradients are clipped to this norm.")
    ] = 1.0
    importance_cap: Annotated[
        float | None,
        Field(gt=0, description="Cap of the sampler-mismatch weight; None leaves it out."),
    ] = 2.0
    max_staleness: Annotated[
        int | None,
        Field(
            ge=0,
            description="Episodes sampled by weights more steps old are left out; mode 'async' "
            "waits instead (2 where it is none).",
        ),
    ] = None
    mode: Annotated[
        Literal["sync", "async"],
        Field(description="async samples while the learner steps, and does not repeat exactly."),
    ] = "sync"
    step_deadline_s: Annotated[
        float | None,
        Field(
            gt=0,
            description="Of mode 'async': a step that waited so long takes what there is, and "
            "groups that would be too old for the next are cut and reported. None waits.",
        ),
    ] = None
    critic_lr: Annotated[
        float, Field(gt=0, description="Learning rate of the value head, where there is one.")
    ] = 1e-3

    advantage: Annotated[
        str | None,
        Field(
            description="reinforce, rloo, grpo, dr_grpo, reinforce_pp, raft, gae or "
            "module:function."
        ),
    ] = None
    baseline: Annotated[
        str | None,
        BeforeValidator(lambda value: str(value) if isinstance(value, int | float) else value),
        Field(
            description="Of reinforce: none, batch_mean, moving_average or a number; of "
            "reinforce_pp: none or group_mean."
        ),
    ] = None
    loss: Annotated[
        str | None,
        Field(
            description="policy_gradient, ppo_clip, ppo_penalty, gspo, cispo or module:function."
        ),
    ] = None
    ratio: Annotated[
        str | None, Field(description="Of ppo_clip: by token, turn or trajectory.")
    ] = None
    clip_low: Annotated[
        float | None, Field(ge=0, le=1, description="The ratio's range begins at 1 - clip_low.")
    ] = None
    clip_high: Annotated[
        float | None, Field(gt=0, description="The ratio's range ends at 1 + clip_high.")
    ] = None
    dual_clip: Annotated[
        float | None,
        Field(ge=0, description="Bounds the loss at a negative advantage; 0 does not."),
    ] = None
    aggregation: Annotated[
        str | None, Field(description="token_mean, sequence_mean or constant.")
    ] = None
    epochs: Annotated[
        int | None, Field(ge=1, description="Times that each batch is learned from.")
    ] = None
    minibatches: Annotated[
        int | None, Field(ge=1, description="Parts of a batch, with an optimizer step each.")
    ] = None
    critic: Annotated[bool | None, Field(description="Learn a value head, for gae.")] = None
    gamma: Annotated[
        float | None, Field(gt=0, le=1, description="Discount of a turn; for gae, of a token.")
    ] = None
    lam: Annotated[float | None, Field(ge=0, le=1, description="Of gae.")] = None
    value_clip: Annotated[
        float | None, Field(ge=0, description="Of the critic's loss; 0 leaves it out.")
    ] = None
    whiten: Annotated[
        bool | None, Field(description="Standardise the advantages of all tokens of a batch.")
    ] = None
    kl: Annotated[
        str | None,
        Field(description="Divergence to the starting model: none, in the reward or in the loss."),
    ] = None
    kl_estimator: Annotated[
        str | None, Field(description="k1 in the reward; k2, k3 or k3_exact in the loss.")
    ] = None
    kl_coefficient: Annotated[float | None, Field(ge=0, description="What a nat of it costs.")] = (
        None
    )
    kl_target: Annotated[
        float | None, Field(ge=0, description="Steers the coefficient to this divergence; 0 not.")
    ] = None
    step_kl: Annotated[
        float | None, Field(gt=0, description="Of ppo_penalty: the divergence of one step.")
    ] = None
    entropy_coefficient: Annotated[
        float | None, Field(ge=0, description="What a nat of entropy is worth in the loss.")
    ] = None
    dynamic_sampling: Annotated[
        int | None,
        Field(ge=0, description="Most further rounds that replace groups without signal."),
    ] = None
    overlong: Annotated[
        float | None,
        Field(ge=0, le=1, description="Last share of max_tokens over which a reward falls by 1."),
    ] = None
    least_advantage: Annotated[
        float | None, Field(ge=0, description="Episodes whose advantage is smaller are left out.")
    ] = None
    mismatch: Annotated[
        str | None,
        Field(
            description="What importance_cap does: token_truncate, token_mask, sequence_truncate "
            "or sequence_mask."
        ),
    ] = None
    mismatch_band: Annotated[
        float | None,
        Field(ge=0, description="Most distance of an episode's mean ratio from 1; 0 for any."),
    ] = None
    reward_scale: Annotated[
        str | None, Field(description="none, running (mean and spread so far), clip or log.")
    ] = None

    micro_batch_tokens: Annotated[
        int, Field(ge=2, description="Places of one forward; gradients are accumulated.")
    ] = 16_384
    packing: Annotated[
        bool | None,
        Field(
            description="Show the model sequences in one row, without padding. Default: on CUDA "
            "only, for the sums of a CPU run stay the same to the last digit without."
        ),
    ] = None
    share_prompts: Annotated[
        bool | None,
        Field(
            description="Compute a prompt that several sequences of a packed row begin with once. "
            "Default: wherever rows are packed."
        ),
    ] = None
    gradient_checkpointing: Annotated[
        bool, Field(description="Make activations again in the backward pass: less memory.")
    ] = False
    compile: Annotated[bool, Field(description="Run the learner's model by torch.compile.")] = False
    lora_rank: Annotated[
        int | None,
        Field(ge=1, description="Learn a LoRA adapter of this rank; None learns all weights."),
    ] = None
    lora_alpha: Annotated[
        float | None, Field(gt=0, description="Scale of the adapter; default: twice its rank.")
    ] = None

    max_tokens: Annotated[
        int | None,
        Field(ge=1, description="Most tokens of one turn; default: 64 for a starter, 1024 else."),
    ] = None
    max_turns: Annotated[int, Field(ge=1, description="Most turns of one episode.")] = 6
    context: Annotated[
        int | None,
        Field(ge=4, description="Most tokens of one episode; default: the model's own limit."),
    ] = None
    temperature: Annotated[
        float, Field(gt=0, description="Of sampling, in training and evaluation.")
    ] = 1.0
    episode_timeout_s: Annotated[
        float, Field(gt=0, description="An episode beyond it is unscored.")
    ] = 600.0
    env_timeout_s: Annotated[float, Field(gt=0, description="For one call of the environment.")] = (
        60.0
    )
    concurrency: Annotated[int, Field(ge=1, description="Most episodes in flight.")] = 128
    env_processes: Annotated[
        int,
        Field(
            ge=0,
            description="Processes that host the environments; 0 has them in threads of this one.",
        ),
    ] = 0
    retries: Annotated[
        int, Field(ge=0, description="Further attempts at an episode after a fault.")
    ] = 2
    gpu_memory: Annotated[
        float,
        Field(
            gt=0, le=1, description="Share of a GPU that vLLM takes; the learner needs the rest."
        ),
    ] = 0.4
    deterministic: Annotated[
        bool | None,
        Field(
            description="Sample in rounds with fixed seeds: a little slower, and repeats to the "
            "last bit. Default: on a CPU only."
        ),
    ] = None

    eval_split: Annotated[str, Field(description="Split of the evaluation before and after.")] = (
        "test"
    )
    eval_tasks: Annotated[
        int, Field(ge=0, description="Its tasks; 0 leaves the evaluation out.")
    ] = 100
    eval_rollouts: Annotated[
        int, Field(ge=1, description="Sampled episodes of each of its tasks.")
    ] = 4
    eval_every: Annotated[
        int, Field(ge=0, description="Also evaluate every so many steps; 0 never.")
    ] = 0
    allow_overlap: Annotated[
        bool,
        Field(description="Warn where evaluation tasks are training tasks, and do not refuse."),
    ] = False

    save_every: Annotated[int, Field(ge=1, description="Steps between two checkpoints.")] = 10
    keep_checkpoints: Annotated[
        int, Field(ge=1, description="Newest checkpoints that are kept.")
    ] = 2
    record_learned: Annotated[
        bool, Field(description="Write what the gradient saw of every sample: learned.jsonl.")
    ] = True
    probe_tolerance: Annotated[
        float | None,
        Field(gt=0, description="Most nats a pushed weight may differ; default by precision."),
    ] = None

    @model_validator(mode="after")
    def _lora(self) -> TrainConfig:
        if self.lora_alpha is not None and self.lora_rank is None:
            raise ValueError("lora_alpha scales an adapter: set lora_rank too, or leave it out")
        return self

    @model_validator(mode="after")
    def _packed(self) -> TrainConfig:
        if self.share_prompts and self.packing is False:
            raise ValueError(
                "share_prompts=True shares prompts of packed rows, and packing=False pads them: "
                "set packing=True, or leave share_prompts out"
            )
        return self

    @model_validator(mode="after")
    def _asynchronous(self) -> TrainConfig:
        if self.mode == "sync" and self.step_deadline_s is not None:
            raise ValueError("step_deadline_s is a setting of mode='async': set that, or leave it")
        if self.mode == "async" and self.deterministic:
            raise ValueError(
                "mode='async' depends on timing and cannot repeat to the last bit: leave "
                "deterministic out, or use mode='sync'"
            )
        if self.mode == "async" and self.parts.dynamic_sampling:
            raise ValueError(
                "dynamic_sampling samples a step again until its groups have a signal, and "
                "mode='async' does not wait for that: set dynamic_sampling=0, or use mode='sync'"
            )
        return self

    @model_validator(mode="before")
    @classmethod
    def _known(cls, values: Any) -> Any:
        """Refuse unknown names, and to sample from a part of the distribution only."""
        for name, value in values.items() if isinstance(values, dict) else ():
            if name in _TRUNCATIONS:
                raise ConfigError(
                    f"{name}={value} samples from another distribution than the one whose "
                    f"log-probabilities are learned from: leave {name} out; temperature is "
                    "supported"
                )
            if name not in cls.model_fields:
                raise ConfigError(
                    f"no setting '{name}'; {perhaps_you_meant(name, cls.model_fields)}"
                )
        return values

    @model_validator(mode="after")
    def _sampled_somehow(self) -> TrainConfig:
        if not is_url(self.sampler) and self.sampler not in SAMPLERS:
            known = ", ".join(f"'{name}'" for name in SAMPLERS)
            raise ValueError(f"no sampler '{self.sampler}'; use {known}, or a server's URL")
        if self.deterministic and not self.samples_here:
            raise ValueError(
                f"sampler='{self.sampler}' batches by timing and cannot repeat to the last bit: "
                "leave deterministic out, or use sampler='vllm'"
            )
        return self

    @model_validator(mode="after")
    def _consistent(self) -> TrainConfig:
        algorithm = self.parts  # an unknown name says what there is
        if self.group_size < 2 and algorithm.needs_siblings:
            raise ValueError(
                f"algorithm '{self.algorithm}' compares siblings: group_size must be at least 2 "
                f"(it is {self.group_size}), or use algorithm='reinforce'"
            )
        if self.importance_cap is None and self.mismatch is not None:
            raise ValueError(
                f"mismatch='{self.mismatch}' says how importance_cap bounds a ratio: set "
                "importance_cap, or leave mismatch out"
            )
        if self.split == self.eval_split and self.eval_tasks:
            raise ValueError(
                f"split and eval_split are both '{self.split}': the gain would be measured on the "
                "training tasks; choose another eval_split, or eval_tasks=0"
            )
        return self

    @property
    def parts(self) -> Algorithm:
        """Return the algorithm: the preset, with the parts that are set in their places.

        Raises:
            ConfigError: If they do not fit together.
        """
        names = [field.name for field in fields(Algorithm)][1:]
        return mixed(self.algorithm, {name: getattr(self, name) for name in names})

    @property
    def staleness_bound(self) -> int:
        """Return the most steps between sampling and learning where sampling is asynchronous."""
        return 2 if self.max_staleness is None else self.max_staleness

    @property
    def samples_here(self) -> bool:
        """Whether the sampler runs in this process, step by step: only then it can repeat."""
        return self.sampler in ("vllm", "transformers")

    @property
    def is_starter(self) -> bool:
        """Whether the model is a starter policy, which wants large steps and short turns."""
        return Path(self.model).name.startswith("starter")

    @property
    def learning_rate(self) -> float:
        """Return `lr`, or the default for this kind of model."""
        return self.lr if self.lr is not None else (2e-4 if self.is_starter else 1e-6)

    @property
    def turn_tokens(self) -> int:
        """Return `max_tokens`, or the default for this kind of model."""
        return self.max_tokens if self.max_tokens is not None else (64 if self.is_starter else 1024)

    @property
    def folder(self) -> Path:
        """Return the run folder."""
        if self.out is not None:
            return self.out
        name = re.sub(r"-v\d+$", "", self.env.rpartition("/")[2]).lower()
        return Path("runs") / f"{name}-{self.algorithm}-s{self.seed}"
