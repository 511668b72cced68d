"""Models with learned positions and dropout, which have no position beyond their last."""

from __future__ import annotations

import asyncio

import torch
from transformers import GPT2Config, GPT2LMHeadModel

from agentgym.policy.transformers import TransformersPolicy
from agentgym.train.config import TrainConfig
from agentgym.train.learner import Learner
from agentgym.train.starter import make_tokenizer
from agentgym.types import Completion, SamplingParams

LIMIT = 32


def gpt2() -> GPT2LMHeadModel:
    """A tiny GPT-2: learned positions, dropout of 0.1 as it has by default."""
    config = GPT2Config(vocab_size=288, n_positions=LIMIT, n_embd=32, n_layer=1, n_head=1)
    torch.manual_seed(0)
    return GPT2LMHeadModel(config)


def test_row_that_is_done_does_not_run_out_of_positions_beside_a_longer_one() -> None:
    policy = TransformersPolicy(gpt2(), make_tokenizer())

    async def both() -> list[Completion]:
        long, short = list(range(LIMIT - 2)), [1, 2, 3]
        requests = ((long, SamplingParams(2, seed=1)), (short, SamplingParams(20, seed=2)))
        return await asyncio.gather(*(policy.sample(ids, params) for ids, params in requests))

    async def alone() -> Completion:
        return await policy.sample([1, 2, 3], SamplingParams(20, seed=2))

    beside = asyncio.run(both())
    assert len(beside[0].ids) <= 2
    assert beside[1].ids == asyncio.run(alone()).ids


def test_learner_scores_without_dropout() -> None:
    learner = Learner(gpt2(), TrainConfig(), torch.device("cpu"))
    ids = list(range(20))
    assert learner.score(ids) == learner.score(ids)
