"""The rollout loop beside a bare ``LLM.generate`` of the same engine, in one run.

Multi-turn episodes in which every action runs Python in a sandbox session of the episode's own, and
a verifier judges the last one. The same engine then generates as many tokens for the very same
prompts with nothing around it. The ratio of the two token rates is what the loop costs.

    python benchmarks/rollout.py [--episodes 256] [--turns 4] [--tokens 48] [--json]
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from unittest import mock

from report import Figure, arguments, report

import agentgym as ag
from agentgym.env import Env, Reply
from agentgym.policy.vllm import VllmPolicy
from agentgym.rollout.worker import EnvPool
from agentgym.tasks import TaskSet
from agentgym.train.starter import StarterRecipe, make_model, make_tokenizer
from agentgym.types import Group, Message, Task, Verdict
from agentgym_envs.python.interpreter import Interpreter
from agentgym_sandbox import Limits

CONCURRENCY = 128
BARE_SHARE = 0.6  # at least this share of the bare token rate


class SandboxTurns(Env):
    """Every action, whatever it says, runs some Python in the episode's session."""

    tasks = TaskSet.generate(
        lambda rng, split, index: Task("", f"problem {index}", index), {"train": 100_000}
    )

    def __init__(self, *, turns_wanted: int = 4, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.turns_wanted = turns_wanted
        self.interpreter = Interpreter(Limits(memory_mb=256, pids=32), timeout_s=10)

    def prepare(self) -> None:
        self.interpreter.open()

    def respond(self, action: str) -> Reply:
        heard = self.interpreter.run(f"sum(range({len(action) + 1}))")
        if self.turns < self.turns_wanted:
            return Reply((Message("tool", heard),))
        return Reply(verdict=Verdict.of(right=heard == str(sum(range(len(action) + 1)))))

    def end(self) -> None:
        self.interpreter.close()


def model_folder(folder: Path) -> Path:
    """Write a random model of the starter's shape: it seldom ends a turn early."""
    tokenizer = make_tokenizer()
    make_model(StarterRecipe(context=1024), tokenizer).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def turns_of(groups: Sequence[Group]) -> list[tuple[list[int], int]]:
    """Return the prompt and the number of sampled tokens of every turn."""
    episodes = [episode for group in groups for episode in group.episodes]
    return [
        (list(episode.samples[0].ids[: turn.prompt_tokens]), turn.sampled_tokens)
        for episode in episodes
        for turn in episode.turns
    ]


def bare(policy: VllmPolicy, turns: list[tuple[list[int], int]]) -> float:
    """Return tokens a second of ``LLM.generate`` on these prompts and lengths."""
    import torch
    import vllm

    with mock.patch.object(vllm.LLMEngine, "from_engine_args", return_value=policy.engine):
        llm = vllm.LLM(model="the engine that is running already")
    params = [
        vllm.SamplingParams(
            max_tokens=count, ignore_eos=True, logprobs=0, flat_logprobs=True, detokenize=False
        )
        for _, count in turns
    ]
    prompts = [{"prompt_token_ids": ids} for ids, _ in turns]
    policy.forget()
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # as the policy samples; two are slower wherever a core is shared
    start = time.perf_counter()
    outputs = llm.generate(prompts, params, use_tqdm=False)
    seconds = time.perf_counter() - start
    torch.set_num_threads(threads)
    return sum(len(output.outputs[0].token_ids) for output in outputs) / seconds


def loop(
    policy: VllmPolicy, env: str, episodes: int, tokens: int, pool: EnvPool, **kwargs: Any
) -> tuple[list[Group], float, float]:
    """Return groups, tokens a second of the whole loop, and the share of time in the engine."""
    policy.forget()
    busy = policy.busy_s
    start = time.perf_counter()
    groups = ag.rollout(
        policy,
        ag.EnvSpec(env, kwargs),
        [f"train-{n}" for n in range(episodes)],
        sampling=ag.SamplingParams(max_tokens=tokens),
        concurrency=CONCURRENCY,
        envs=pool,
    )
    seconds = time.perf_counter() - start
    sampled = sum(t.sampled_tokens for g in groups for e in g.episodes for t in e.turns)
    assert all(episode.reward is not None for group in groups for episode in group.episodes)
    return groups, sampled / seconds, (policy.busy_s - busy) / seconds


def main() -> int:
    parser = arguments(__doc__)
    parser.add_argument("--episodes", type=int, default=256)
    parser.add_argument("--turns", type=int, default=4)
    parser.add_argument("--tokens", type=int, default=48)
    parser.add_argument("--repeats", type=int, default=3)
    options = parser.parse_args()
    ag.register("bench/SandboxTurns-v0", "rollout:SandboxTurns")
    with tempfile.TemporaryDirectory() as folder, EnvPool() as pool:
        policy = VllmPolicy(model_folder(Path(folder)), concurrency=CONCURRENCY)
        size = (options.episodes, options.tokens, pool)
        kwargs = {"turns_wanted": options.turns}
        loop(policy, "bench/SandboxTurns-v0", *size, **kwargs)  # warms up both sides
        rounds = []
        for _ in range(options.repeats):
            groups, rate, busy = loop(policy, "bench/SandboxTurns-v0", *size, **kwargs)
            rounds.append((rate, bare(policy, turns_of(groups)), busy))
        policy.close()
    rate, base, busy = sorted(rounds, key=lambda row: row[0] / row[1])[len(rounds) // 2]
    figures = {
        "rollout_tokens_per_s": Figure(rate, "tokens/s", None, base),
        "share_of_bare_generate": Figure.at_least(rate / base, BARE_SHARE, "ratio", 1.0),
        "share_of_time_in_the_engine": Figure(busy, "ratio"),
    }
    return report(figures, options.json)


if __name__ == "__main__":
    sys.exit(main())
