"""The rollout loop beside a bare ``LLM.generate`` of the same engine, in one run.

Multi-turn episodes in which every action runs Python in a sandbox session of the episode's own, and
a verifier judges the last one. The same engine then generates as many tokens for the very same
prompts with nothing around it. The ratio of the two token rates is what the loop costs. Where other
work takes the cores away, seconds of this process's own CPU say more, and how often the engine had
to step: they leave out only what sandboxes compute, and waiting.

Environments are in a process of their own that leaves a core to the engine; rounds between have
them in threads of this one. At the end, without a model, environments that compute in Python: as
many steps in two processes as in threads.

    python benchmarks/rollout.py [--episodes 256] [--turns 4] [--tokens 48] [--repeats 3]
        [--env-processes 1] [--json]
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any
from unittest import mock

from report import Figure, arguments, report

import agentgym as ag
from agentgym.env import Env, Reply
from agentgym.policy.scripted import ScriptedPolicy
from agentgym.policy.vllm import VllmPolicy
from agentgym.rollout.pool import EnvPool
from agentgym.tasks import TaskSet
from agentgym.train.starter import StarterRecipe, make_model, make_tokenizer
from agentgym.types import Group, Message, Task, Verdict
from agentgym_envs.python.interpreter import Interpreter
from agentgym_sandbox import Limits

CONCURRENCY = 128
BARE_SHARE = 0.8  # at least this share of the bare token rate


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


class Busy(Env):
    """Every action keeps the interpreter busy for some milliseconds."""

    tasks = SandboxTurns.tasks

    def __init__(self, *, turns_wanted: int = 8, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.turns_wanted = turns_wanted

    def respond(self, action: str) -> Reply:
        total = sum(number * number for number in range(100_000))
        if self.turns < self.turns_wanted:
            return Reply((Message("tool", str(total)),))
        return Reply(verdict=Verdict.of(done=True))


@dataclass(slots=True)
class Spent:
    """What a way to sample took, of this process."""

    wall_s: float = 0.0
    cpu_s: float = 0.0
    steps: int = 0
    tokens: int = 0

    @property
    def rate(self) -> float:
        """Return tokens a second."""
        return self.tokens / self.wall_s


@contextmanager
def spending(policy: VllmPolicy) -> Iterator[Spent]:
    """Measure a block; who runs it sets the tokens."""
    spent, step = Spent(), policy.engine.step

    def counted() -> Any:
        spent.steps += 1
        return step()

    policy.forget()
    with mock.patch.object(policy.engine, "step", counted):
        start, cpu = time.perf_counter(), time.process_time()
        yield spent
        spent.wall_s, spent.cpu_s = time.perf_counter() - start, time.process_time() - cpu


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


def bare(policy: VllmPolicy, turns: list[tuple[list[int], int]]) -> Spent:
    """Return what ``LLM.generate`` takes for these prompts and lengths."""
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
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # as the policy samples; two are slower wherever a core is shared
    with spending(policy) as spent:
        outputs = llm.generate(prompts, params, use_tqdm=False)
    torch.set_num_threads(threads)
    spent.tokens = sum(len(output.outputs[0].token_ids) for output in outputs)
    return spent


def loop(
    policy: VllmPolicy, env: str, episodes: int, tokens: int, pool: EnvPool, **kwargs: Any
) -> tuple[list[Group], Spent, float]:
    """Return groups, what the whole loop took, and the share of its time in the engine."""
    busy = policy.busy_s
    with spending(policy) as spent:
        groups = ag.rollout(
            policy,
            ag.EnvSpec(env, kwargs),
            [f"train-{n}" for n in range(episodes)],
            sampling=ag.SamplingParams(max_tokens=tokens),
            concurrency=CONCURRENCY,
            envs=pool,
        )
    spent.tokens = sum(t.sampled_tokens for g in groups for e in g.episodes for t in e.turns)
    assert all(episode.reward is not None for group in groups for episode in group.episodes)
    return groups, spent, (policy.busy_s - busy) / spent.wall_s


@dataclass(frozen=True, slots=True)
class Round:
    """One rollout and the bare generation of the same tokens."""

    ours: Spent
    base: Spent
    busy: float

    @property
    def share(self) -> float:
        return self.ours.rate / self.base.rate


def played(policy: VllmPolicy, pool: EnvPool, options: Any) -> Round:
    """Play once."""
    kwargs = {"turns_wanted": options.turns}
    size = (options.episodes, options.tokens, pool)
    groups, ours, busy = loop(policy, "bench/SandboxTurns-v0", *size, **kwargs)
    return Round(ours, bare(policy, turns_of(groups)), busy)


def busy_steps(processes: int, episodes: int = 64, turns: int = 8) -> float:
    """Return steps a second of environments that compute in Python, by a policy that does not."""
    policy = ScriptedPolicy(["go on"] * turns)
    env = ag.EnvSpec("bench/Busy-v0", {"turns_wanted": turns})
    tasks = [f"train-{n}" for n in range(episodes)]
    with EnvPool(processes, spare_core=False) as pool:
        ag.rollout(policy, env, tasks, concurrency=32, envs=pool)  # warms up
        start = time.perf_counter()
        ag.rollout(policy, env, tasks, concurrency=32, envs=pool)
        return episodes * turns / (time.perf_counter() - start)


def main() -> int:
    parser = arguments(__doc__)
    parser.add_argument("--episodes", type=int, default=256)
    parser.add_argument("--turns", type=int, default=4)
    parser.add_argument("--tokens", type=int, default=48)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--env-processes", type=int, default=1)
    options = parser.parse_args()
    ag.register("bench/SandboxTurns-v0", "rollout:SandboxTurns")
    ag.register("bench/Busy-v0", "rollout:Busy")
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        policy = VllmPolicy(model_folder(Path(folder)), concurrency=CONCURRENCY)
        pools = {
            "process": stack.enter_context(EnvPool(options.env_processes, spare_core=True)),
            "threads": stack.enter_context(EnvPool()),
        }
        for pool in pools.values():
            played(policy, pool, options)  # warms up both sides
        rounds: dict[str, list[Round]] = {where: [] for where in pools}
        for _ in range(options.repeats):
            for where, pool in pools.items():
                rounds[where].append(played(policy, pool, options))
        policy.close()
    mine = sorted(rounds["process"], key=lambda each: each.share)
    threads = median(each.share for each in rounds["threads"])
    middle = mine[len(mine) // 2]
    in_cpu = median(each.base.cpu_s / each.ours.cpu_s for each in mine)
    apart, here = busy_steps(2), busy_steps(0)
    figures = {
        "rollout_tokens_per_s": Figure(middle.ours.rate, "tokens/s", None, middle.base.rate),
        "share_of_bare_generate": Figure.at_least(middle.share, BARE_SHARE, "ratio", 1.0),
        "share_in_cpu_seconds": Figure(in_cpu, "ratio", None, 1.0),
        "engine_steps": Figure(middle.ours.steps, "steps", None, middle.base.steps),
        "share_of_time_in_the_engine": Figure(middle.busy, "ratio"),
        "share_with_threads": Figure(threads, "ratio", None, 1.0),
        "busy_steps_per_s_in_2_processes": Figure(apart, "steps/s", None, here),
    }
    return report(figures, options.json)


if __name__ == "__main__":
    sys.exit(main())
