"""Watching over an engine that may die, with one that dies as it is told to."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from agentgym.errors import ConfigError, PolicyFault, WeightSyncError
from agentgym.policy.base import Probe
from agentgym.policy.engine import EngineLost, Generated
from agentgym.policy.supervised import SupervisedPolicy
from agentgym.types import Completion, SamplingParams


class Toy:
    """Says its weight and then how often it was asked; its log-probabilities are its weight."""

    name = "toy"
    context_limit: int | None = 64
    dtype = "float32"
    pid = 1

    def __init__(self) -> None:
        self.running = False
        self.starts = self.asked = 0
        self.weight, self.label = 0.0, "default"
        self.broken_starts = self.deaths = 0
        self.deaf = False

    async def start(self) -> None:
        self.starts += 1
        if self.starts > 1 and self.broken_starts:
            self.broken_starts -= 1
            raise ConfigError("no room")
        self.running, self.weight, self.label = True, 0.0, "default"

    async def generate(self, ids: Sequence[int], request: Mapping[str, Any]) -> Generated:
        self.asked += 1
        await asyncio.sleep(0)
        if not self.running:
            raise EngineLost("it is not running")
        if self.deaths:
            self.deaths -= 1
            self.running = False
            raise EngineLost("killed")
        spans = ((self.label, 0, 1),)
        told = (self.weight,) * (len(ids) - 1)
        return Generated((70,), (self.weight,), "length", spans, told)

    async def swap(self, path: str, label: str) -> None:
        if not self.running:
            raise EngineLost("it is not running")
        if not self.deaf:
            self.weight = float(load_file(path)["w"])
        self.label = label

    async def forget(self) -> None:
        if not self.running:
            raise EngineLost("it is not running")

    async def stop(self) -> None:
        self.running = False


@pytest.fixture
def toy() -> Toy:
    return Toy()


@pytest.fixture
def policy(toy: Toy, tiny: Path, tmp_path: Path) -> Iterator[SupervisedPolicy]:
    made = SupervisedPolicy(tiny, toy, weights_folder=tmp_path)
    yield made
    made.close()
    assert list(tmp_path.iterdir()) == []


def push(policy: SupervisedPolicy, weight: float, version: int) -> None:
    asyncio.run(policy.load_weights([("w", torch.tensor(weight))], version))
    policy.trust(Probe((1, 2, 3), (weight, weight), 1e-3), lambda: [])


def ask(policy: SupervisedPolicy, count: int = 1) -> list[Completion | BaseException]:
    async def all_of_them() -> list[Completion | BaseException]:
        turns = (policy.sample([1, 2], SamplingParams(4)) for _ in range(count))
        return await asyncio.gather(*turns, return_exceptions=True)

    return asyncio.run(all_of_them())


def test_a_dead_engine_comes_back_once_for_all_with_the_last_weights(
    policy: SupervisedPolicy, toy: Toy
) -> None:
    push(policy, -1.0, 1)
    push(policy, -2.0, 2)
    toy.deaths = 1
    answers = ask(policy, 8)
    assert [(a.logprobs, a.version) for a in answers if isinstance(a, Completion)] == (
        [((-2.0,), 2)] * 8
    )
    assert (policy.restarts, toy.starts) == (1, 2)


def test_a_server_that_came_back_unseen_without_the_weights_is_found_out(
    policy: SupervisedPolicy, toy: Toy
) -> None:
    push(policy, -1.0, 1)
    toy.weight, toy.label = 0.0, "default"  # as after a restart by somebody else
    (answer,) = ask(policy)
    assert isinstance(answer, Completion)
    assert (answer.logprobs, answer.version) == ((-1.0,), 1)


def test_a_turn_that_is_lost_twice_is_a_fault_and_the_next_is_not(
    policy: SupervisedPolicy, toy: Toy
) -> None:
    push(policy, -1.0, 1)
    toy.deaths = 2
    # The restart's own probe dies of the second: that restart has failed.
    (first,) = ask(policy)
    assert isinstance(first, PolicyFault)
    (second,) = ask(policy)
    assert isinstance(second, Completion)
    assert second.logprobs == (-1.0,)


def test_an_engine_that_does_not_come_back_is_a_fault_for_all_and_is_tried_anew(
    policy: SupervisedPolicy, toy: Toy
) -> None:
    toy.deaths, toy.broken_starts = 1, 1
    answers = ask(policy, 3)
    faults = [answer for answer in answers if isinstance(answer, PolicyFault)]
    assert any("did not come back: no room" in str(fault) for fault in faults)
    assert isinstance(ask(policy)[0], Completion)


def test_an_engine_that_dies_again_and_again_is_given_up(
    policy: SupervisedPolicy, toy: Toy
) -> None:
    toy.deaths = 1000
    for _ in range(4):
        assert isinstance(ask(policy)[0], PolicyFault)
    starts = toy.starts
    (answer,) = ask(policy)
    assert "times in a row" in str(answer)
    assert toy.starts == starts


def test_a_restart_with_the_wrong_weights_ends_the_run(policy: SupervisedPolicy, toy: Toy) -> None:
    push(policy, -1.0, 1)
    toy.deaths, toy.deaf = 1, True
    (answer,) = ask(policy)
    assert isinstance(answer, WeightSyncError)
    assert "after restart with the weights of push 1" in str(answer)
    assert not toy.running


def test_a_push_brings_back_an_engine_that_died_between(policy: SupervisedPolicy, toy: Toy) -> None:
    push(policy, -1.0, 1)
    toy.running = False
    push(policy, -2.0, 2)
    assert policy.score([1, 2, 3]) == [-2.0, -2.0]
    assert policy.restarts == 1


def test_a_turn_that_is_cancelled_while_the_engine_starts_does_not_stop_it(
    policy: SupervisedPolicy, toy: Toy
) -> None:
    async def cancelled() -> Completion:
        toy.deaths = 1
        turn = asyncio.create_task(policy.sample([1, 2], SamplingParams(4)))
        other = asyncio.create_task(policy.sample([1, 2], SamplingParams(4)))
        await asyncio.sleep(0)
        turn.cancel()
        await asyncio.gather(turn, return_exceptions=True)
        return await other

    assert asyncio.run(cancelled()).ids == (70,)


def test_weights_that_cannot_be_written_are_told_with_the_way_out(
    policy: SupervisedPolicy, tmp_path: Path
) -> None:
    policy._folder = tmp_path / "gone"
    with pytest.raises(WeightSyncError, match="name another folder as weights_folder"):
        push(policy, -1.0, 1)
    (policy._folder,) = tmp_path.iterdir()


def test_busy_seconds_stand_still_between_turns(policy: SupervisedPolicy) -> None:
    ask(policy, 3)
    before = policy.busy_s
    assert 0 < before < 60
    assert policy.busy_s == before
