"""Losses and advantages beside the code of TRL and verl itself, value and gradient.

Both packages are fetched from the package index and not installed: what is asked is cut out of
their sources, function by function, for their imports want a cluster. Random batches of several
turns in float64. `tests/algorithms/test_peers.py` has the same formulas written out by hand.

    python benchmarks/peers.py [--batches 20] [--sources FOLDER] [--json]
"""

from __future__ import annotations

import ast
import subprocess
import sys
import zipfile
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Optional

import numpy as np
import torch
from report import Figure, arguments, report
from torch import Tensor

from agentgym.algorithms import advantages as adv
from agentgym.algorithms import kl
from agentgym.algorithms.losses import aggregate, cispo, gspo, policy_gradient, ppo_clip, value_loss
from agentgym.algorithms.ratios import Correction
from agentgym.train.starter import cache_folder

WHEELS = ("trl==1.16.0", "verl==0.9.1")
LIMIT = 1e-8
GROUPS, K, LENGTH = 3, 4, 17
Pairs = Iterator[tuple[str, Tensor, Tensor]]


def fetched(folder: Path) -> Path:
    """Return a folder with both packages' sources, fetching them if need be."""
    if not (folder / "verl").is_dir():
        folder.mkdir(parents=True, exist_ok=True)
        pip = [sys.executable, "-m", "pip", "download", "--no-deps", "-q", "-d", str(folder)]
        subprocess.run([*pip, *WHEELS], check=True, stdout=sys.stderr)
        for wheel in folder.glob("*.whl"):
            with zipfile.ZipFile(wheel) as archive:
                archive.extractall(folder)
    return folder


def cut_out(path: Path, names: Sequence[str], known: dict[str, Any]) -> SimpleNamespace:
    """Return the functions of these names, without decorators, that see only what is known."""
    space = {"torch": torch, "np": np, "Optional": Optional, "Any": Any, **known}
    space |= {"defaultdict": defaultdict, "Callable": Callable}
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.FunctionDef) and node.name in names:
            node.decorator_list = []
            if node.name == "_compute_loss":
                _end_at_the_loss(node)
            exec(compile(ast.Module([node], []), str(path), "exec"), space)
    return SimpleNamespace(**{name: space[name] for name in names})


def _end_at_the_loss(method: ast.FunctionDef) -> None:
    """Return the loss where TRL has it, before its metrics."""
    last = max(n for n, node in enumerate(method.body) if _chooses(node, "loss_type", "bnpo"))
    method.body = [*method.body[: last + 1], *ast.parse("return loss").body]


def _chooses(node: ast.stmt, *words: str) -> bool:
    text = ast.unparse(node)
    return isinstance(node, ast.If) and "normalizer" in text and all(w in text for w in words)


def verl_of(folder: Path) -> SimpleNamespace:
    """Return verl's functions."""
    functional = cut_out(
        folder / "verl/utils/torch_functional.py",
        ("masked_sum", "masked_mean", "masked_var", "masked_whiten", "clip_by_value"),
        {},
    )
    kinds = {"ActorConfig": _Settings, "AlgoConfig": dict, "DictConfig": dict}
    names = (
        *("compute_gae_advantage_return", "compute_grpo_outcome_advantage"),
        *("compute_rloo_outcome_advantage", "compute_reinforce_plus_plus_outcome_advantage"),
        *("compute_reinforce_plus_plus_baseline_outcome_advantage", "agg_loss"),
        *("compute_policy_loss_vanilla", "compute_policy_loss_gspo", "compute_policy_loss_cispo"),
        *("compute_policy_loss_reinforce", "compute_value_loss", "kl_penalty_forward"),
    )
    core = cut_out(folder / "verl/trainer/ppo/core_algos.py", names, {"verl_F": functional} | kinds)
    corrections = cut_out(
        folder / "verl/trainer/ppo/rollout_corr_helper.py",
        ("_parse_rollout_is_threshold", "compute_rollout_correction_weights"),
        {"verl_F": functional, "SAFETY_BOUND": 20.0, "compute_is_metrics": lambda **_: {}},
    )
    return SimpleNamespace(**vars(core), **vars(corrections))


class _Settings(SimpleNamespace):
    """verl's settings of an actor: attributes, and ``get``."""

    def get(self, name: str, default: Any = None) -> Any:
        return getattr(self, name, default)


def batch(seed: int) -> SimpleNamespace:
    """Return a random batch of groups of episodes of several turns."""
    dice = torch.Generator().manual_seed(seed)
    rows = GROUPS * K

    def noise(scale: float) -> Tensor:
        return torch.randn(rows, LENGTH, generator=dice, dtype=torch.float64) * scale

    mask = (torch.rand(rows, LENGTH, generator=dice) < 0.6).double()
    mask[:, 2] = 1.0  # every row has a sampled token
    old = -torch.rand(rows, LENGTH, generator=dice, dtype=torch.float64) * 3
    rewards, advantages = noise(1.0)[:, 0], noise(1.0)[:, 0]
    return SimpleNamespace(
        new=(old + noise(0.4)).requires_grad_(),
        old=old,
        mu=old + noise(0.4),
        reference=old + noise(0.5),
        advantages=advantages,
        by_token=advantages[:, None].expand(rows, LENGTH),
        mask=mask,
        rewards=rewards,
        placed=adv.terminal_rewards(rewards, mask),
        **{name: noise(1.0) for name in ("values", "old_values", "returns")},
    )


def losses_beside_verl(verl: SimpleNamespace, d: SimpleNamespace) -> Pairs:
    config = _Settings(clip_ratio=0.2, clip_ratio_low=0.2, clip_ratio_high=0.28, clip_ratio_c=3.0)
    config.global_batch_info = {}
    ours = (d.new, d.old, d.mu, d.advantages, d.mask)
    theirs = (d.old, d.new, d.by_token, d.mask)
    clip: dict[str, Any] = {"clip_low": 0.2, "clip_high": 0.28}
    for how, name in (
        ("token_mean", "token-mean"),
        ("sequence_mean", "seq-mean-token-mean"),
        ("constant", "seq-mean-token-sum"),
    ):
        terms = ppo_clip(*ours, **clip, dual_clip=3.0, correction=None)
        expected = verl.compute_policy_loss_vanilla(*theirs, name, config)[0]
        yield "verl: ppo_clip", aggregate(terms, d.mask, how), expected
        terms = gspo(*ours, **clip, correction=None)
        expected = verl.compute_policy_loss_gspo(*theirs, name, config)[0]
        yield "verl: gspo", aggregate(terms, d.mask, how), expected
        terms = cispo(*ours, **clip, correction=None)
        expected = verl.compute_policy_loss_cispo(*theirs, name, config)[0]
        yield "verl: cispo", aggregate(terms, d.mask, how), expected
    for level in ("token", "sequence"):
        correction = Correction(f"{level}_truncate", 1.3)
        weights = verl.compute_rollout_correction_weights(d.old - d.mu, d.mask, level, 1.3)[0]
        terms = ppo_clip(*ours, **clip, dual_clip=3.0, correction=correction)
        expected = verl.compute_policy_loss_vanilla(*theirs, "token-mean", config, weights)[0]
        yield "verl: importance correction", aggregate(terms, d.mask, "token_mean"), expected
        terms = policy_gradient(*ours, correction=correction)
        reinforce = (d.mu, d.new, d.by_token, d.mask, "token-mean", config, weights)
        expected = verl.compute_policy_loss_reinforce(*reinforce)[0]
        yield "verl: policy_gradient", aggregate(terms, d.mask, "token_mean"), expected
    terms = value_loss(d.values, d.old_values, d.returns, d.mask, clip=0.2)
    expected = verl.compute_value_loss(d.values, d.returns, d.old_values, d.mask, 0.2)[0]
    yield "verl: value_loss", aggregate(terms, d.mask, "token_mean"), expected
    for name, estimator in kl.ESTIMATORS.items():
        near = 0.3 * d.reference + 0.7 * d.new  # beyond 10 nats verl cuts k3 off, and we do not
        yield f"verl: {name}", estimator(d.new, near), verl.kl_penalty_forward(d.new, near, name)


def advantages_beside_verl(verl: SimpleNamespace, d: SimpleNamespace) -> Pairs:
    groups, index = d.rewards.view(GROUPS, K), np.repeat(np.arange(GROUPS), K)
    tokens = d.mask.sum(-1).view(GROUPS, K)

    def spread(one_an_episode: Tensor) -> Tensor:
        return one_an_episode.reshape(-1, 1) * d.mask

    found = verl.compute_rloo_outcome_advantage(d.placed.clone(), d.mask, index)[0]
    yield "verl: rloo", spread(adv.rloo(groups)), found
    for name, by_std, method in (
        ("grpo", True, lambda r: adv.grpo(r, eps=1e-6)),
        ("dr_grpo", False, adv.dr_grpo),
    ):
        found = verl.compute_grpo_outcome_advantage(
            d.placed.clone(), d.mask, index, norm_adv_by_std_in_grpo=by_std
        )[0]
        yield f"verl: {name}", spread(method(groups)), found
    plus_plus = verl.compute_reinforce_plus_plus_outcome_advantage
    found = plus_plus(d.placed, d.mask, SimpleNamespace(gamma=1.0))[0]
    yield "verl: reinforce_pp", spread(adv.reinforce_pp(groups, tokens=tokens)), found
    found = plus_plus(d.placed, d.mask, SimpleNamespace(gamma=0.9))[0]
    discounted = adv.discounted_returns(d.placed, d.mask, gamma=0.9, per="token")
    yield "verl: discounted_returns", adv.whiten(discounted, d.mask), found
    baseline = verl.compute_reinforce_plus_plus_baseline_outcome_advantage
    centred = adv.reinforce_pp(groups, tokens=tokens, group_baseline=True)
    yield "verl: reinforce_pp", spread(centred), baseline(d.placed.clone(), d.mask, index)[0]
    ours, returns = adv.gae(d.placed, d.values, d.mask, gamma=0.97, lam=0.9)
    found, theirs = verl.compute_gae_advantage_return(d.placed, d.values, d.mask, 0.97, 0.9)
    yield "verl: gae", adv.whiten(ours, d.mask), found * d.mask
    yield "verl: gae", returns, theirs * d.mask


def trl_loss(
    method: Callable[..., Tensor],
    d: SimpleNamespace,
    kind: str,
    weights: Tensor | None = None,
    delta: float | None = None,
    **settings: Any,
) -> Tensor:
    """Return what TRL's trainer would differentiate, of a batch whose log-probabilities we give."""
    plain = {"importance_sampling_level": "token", "epsilon_low": 0.2, "epsilon_high": 0.28}
    exact = settings.pop("exact", False)
    trainer = SimpleNamespace(
        **(plain | {"loss_type": kind, "beta": 0.0} | settings),
        args=SimpleNamespace(delta=delta, use_bias_correction_kl=exact, steps_per_generation=1),
        aux_loss_enabled=False,
        top_entropy_quantile=1.0,
        off_policy_mask_threshold=None,
        use_vllm=weights is not None,
        vllm_importance_sampling_correction=True,
        max_completion_length=LENGTH,
        model=SimpleNamespace(training=False),
        current_gradient_accumulation_steps=1,
        accelerator=SimpleNamespace(num_processes=1),
        _get_per_token_logps_and_entropies=lambda *_, **__: (d.new, torch.zeros_like(d.new), None),
    )
    nothing = torch.ones(len(d.new), 1)
    inputs = {
        "prompt_ids": nothing,
        "prompt_mask": nothing,
        "completion_ids": d.mask,
        "completion_mask": d.mask,
        "advantages": d.advantages,
        "old_per_token_logps": d.old,
        "ref_per_token_logps": d.reference,
        "importance_sampling_ratio": weights,
        "num_items_in_batch": d.mask.sum(),
    }
    return method(trainer, None, inputs)


def losses_beside_trl(trl: Callable[..., Tensor], d: SimpleNamespace) -> Pairs:
    ours = (d.new, d.old, d.mu, d.advantages, d.mask)
    clip: dict[str, Any] = {"clip_low": 0.2, "clip_high": 0.28}
    plain = ppo_clip(*ours, **clip, correction=None)
    for kind, how in (("grpo", "sequence_mean"), ("bnpo", "token_mean"), ("dapo", "token_mean")):
        yield "TRL: ppo_clip", aggregate(plain, d.mask, how), trl_loss(trl, d, kind)
        dual = ppo_clip(*ours, **clip, dual_clip=1.5, correction=None)
        yield "TRL: dual clip", aggregate(dual, d.mask, how), trl_loss(trl, d, kind, delta=1.5)
    constant = aggregate(plain, d.mask, "constant") / LENGTH
    yield "TRL: ppo_clip", constant, trl_loss(trl, d, "dr_grpo")
    terms = gspo(*ours, **clip, correction=None)
    expected = trl_loss(trl, d, "grpo", importance_sampling_level="sequence")
    yield "TRL: gspo", aggregate(terms, d.mask, "sequence_mean"), expected
    terms = cispo(*ours, clip_high=0.3, correction=None)
    expected = trl_loss(trl, d, "cispo", epsilon_high=1.3)
    yield "TRL: cispo", aggregate(terms, d.mask, "token_mean"), expected
    for exact in (False, True):
        penalty = kl.kl_loss(d.new, d.old, d.reference, d.mask, estimator="k3", exact=exact)
        expected = trl_loss(trl, d, "bnpo", beta=0.1, exact=exact)
        yield (
            "TRL: k3 in the loss",
            aggregate(plain + 0.1 * penalty, d.mask, "token_mean"),
            expected,
        )
    for how in ("token_truncate", "token_mask", "sequence_truncate", "sequence_mask"):
        # TRL makes these weights in the midst of its sampling; its lines, with a cap of 1.4.
        gap = (d.old - d.mu) * d.mask
        ratio = (gap.sum(-1, keepdim=True) if how.startswith("sequence") else gap).exp()
        truncated = how.endswith("truncate")
        weights = ratio.clamp(max=1.4) if truncated else ratio.masked_fill(ratio > 1.4, 0.0)
        terms = ppo_clip(*ours, **clip, correction=Correction(how, 1.4))  # type: ignore[arg-type]
        expected = trl_loss(trl, d, "bnpo", weights=weights)
        yield "TRL: importance correction", aggregate(terms, d.mask, "token_mean"), expected


def distance(d: SimpleNamespace, one: Tensor, other: Tensor) -> float:
    """Return the largest difference of two values, or of their gradients where they have some."""
    gaps = [one - other]
    if one.requires_grad:
        grads = [torch.autograd.grad(x.sum(), d.new, retain_graph=True)[0] for x in (one, other)]
        gaps.append(grads[0] - grads[1])
    return max(float(gap.detach().abs().max()) for gap in gaps)


def main() -> int:
    parser = arguments(__doc__)
    parser.add_argument("--batches", type=int, default=20)
    parser.add_argument("--sources", type=Path, default=cache_folder() / "peers")
    options = parser.parse_args()
    folder = fetched(options.sources)
    verl = verl_of(folder)
    trl = cut_out(folder / "trl/trainer/grpo_trainer.py", ("_compute_loss",), {})._compute_loss
    worst: dict[str, float] = defaultdict(float)
    for seed in range(options.batches):
        d = batch(seed)
        for pairs in (losses_beside_verl, advantages_beside_verl):
            for name, one, other in pairs(verl, d):
                worst[name] = max(worst[name], distance(d, one, other))
        for name, one, other in losses_beside_trl(trl, d):
            worst[name] = max(worst[name], distance(d, one, other))
    unit = "largest difference"
    return report({n: Figure.at_most(v, LIMIT, unit) for n, v in worst.items()}, options.json)


if __name__ == "__main__":
    sys.exit(main())
