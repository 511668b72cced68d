"""What is found out about a batch once, before its first update moves the policy.

Old log-probabilities, those of the reference, values, and advantages by token. Each is a row a
sample, so that the samples can be shared out anew in every epoch.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from agentgym.algorithms.advantages import discounted_returns, gae, terminal_rewards, whiten
from agentgym.algorithms.kl import reward_penalty
from agentgym.algorithms.presets import Algorithm
from agentgym.train.batch import Batch, WeightedSample

__all__ = ["Prepared", "credited", "rows_of", "stacked", "whitened"]


@dataclass(frozen=True, slots=True)
class Prepared(WeightedSample):
    """A sample with what is known of it.

    Attributes:
        rows: Name to a number a token, shape (T - 1,), float32: ``old``, ``reference``,
            ``advantages``, ``values``, ``returns``; and ``states``, of shape (N, H), of its N
            sampled tokens.
    """

    rows: dict[str, Tensor] = field(default_factory=dict)


def credited(
    batch: Batch, known: dict[str, Tensor], algorithm: Algorithm, kl_coefficient: float
) -> dict[str, Tensor]:
    """Return the advantages by token, and with a critic the returns, of one padded batch.

    A divergence in the reward is paid token by token: it lowers the advantage of its own token and
    of those before it, which led there. Its expected gradient is that of the whole episode's.

    Args:
        batch: Its ``advantages`` are the episode's advantage, or with ``gae`` its reward.
        known: ``old`` and ``reference``, ``values``, each of shape (B, T), where there are any.
        algorithm: The parts.
        kl_coefficient: The current one.

    Returns:
        ``advantages``, and ``returns`` with ``gae``, each of shape (B, T).
    """
    mask, worth = batch.mask, batch.advantages[:, 0]
    penalty = torch.zeros_like(batch.advantages)
    if algorithm.kl == "reward":
        penalty = reward_penalty(known["old"], known["reference"], mask, kl_coefficient)
    if algorithm.advantage == "gae":
        rewards = terminal_rewards(worth, mask) + penalty
        advantages, returns = gae(
            rewards, known["values"], mask, gamma=algorithm.gamma, lam=algorithm.lam
        )
        return {"advantages": advantages, "returns": returns}
    paid = terminal_rewards(torch.ones_like(worth), mask)
    shares = discounted_returns(paid, mask, gamma=algorithm.gamma)
    ahead = discounted_returns(penalty, mask, gamma=1.0, per="token")
    return {"advantages": worth[:, None] * shares + ahead}


def whitened(items: Sequence[Prepared]) -> list[Prepared]:
    """Return the items with advantages of mean 0 and variance 1 over all sampled tokens."""
    rows = [item.rows["advantages"] for item in items]
    masks = [torch.tensor(item.sample.mask[1:], device=rows[0].device) for item in items]
    flat = torch.split(whiten(torch.cat(rows), torch.cat(masks)), [len(row) for row in rows])
    return [
        Prepared(item.sample, item.advantage, {**item.rows, "advantages": row})
        for item, row in zip(items, flat, strict=True)
    ]


def rows_of(
    items: Sequence[WeightedSample], batch: Batch, known: dict[str, Tensor]
) -> list[Prepared]:
    """Cut a batch's tensors into rows; ``states`` by the sampled tokens of each."""
    lengths = [len(item.sample.ids) - 1 for item in items]
    tokens = [int(count) for count in batch.mask.sum(-1)]
    states = torch.split(known["states"], tokens) if "states" in known else ()
    made = []
    for row, (item, length) in enumerate(zip(items, lengths, strict=True)):
        rows = {name: table[row, :length] for name, table in known.items() if name != "states"}
        if states:
            rows["states"] = states[row]
        made.append(Prepared(item.sample, item.advantage, rows))
    return made


def stacked(items: Sequence[WeightedSample], width: int) -> dict[str, Tensor]:
    """Return the rows of these items as padded tables, shape (B, width); none if unprepared."""
    rows = [item.rows for item in items if isinstance(item, Prepared)]
    if not rows:
        return {}
    tables = {
        name: torch.stack(
            [torch.nn.functional.pad(each[name], (0, width - len(each[name]))) for each in rows]
        )
        for name in rows[0]
        if name != "states"
    }
    if "states" in rows[0]:
        tables["states"] = torch.cat([each["states"] for each in rows])
    return tables
