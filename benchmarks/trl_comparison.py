"""Our steps a second beside TRL's `GRPOTrainer` and `RLOOTrainer`, step by step in turns.

A step is what it is in a run: sample 8 prompts x 8 generations, score, learn, bring the weights to
the sampler (ours: verified). Both sides have the same model (2 layers of width 128), prompts,
lengths, rewards and number of threads, and float32. Single-turn: 64 tokens each. Multi-turn: three
tool calls and an answer, 64 sampled tokens in all, by a model that was taught to make them.

TRL runs in a virtual environment of its own, made in the cache folder on the first run; with one
batch of 64 and without gradient checkpointing, which is faster here than its defaults (batches of
8, checkpointing); ``--trl-defaults`` measures those. With ``--threads 1`` steps a second are of a
core's own seconds, for two threads on a machine that is shared wait for each other.

    python benchmarks/trl_comparison.py [--steps 10] [--threads 1] [--sampler vllm] [--json]
"""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from typing import Any

from report import Figure, arguments, report

import agentgym as ag
from agentgym.rollout.pool import EnvPool
from agentgym.tasks import TaskSet
from agentgym.train.starter import StarterRecipe, cache_folder, make_model, make_tokenizer

ROOT = Path(__file__).resolve().parents[1]
TRL = "trl==1.16.0"
PROMPTS, GENERATIONS, TOKENS = 8, 8, 64
CALLS, DIGITS = 3, 10  # a call, as an answer, is 16 tokens then
SINGLE_TURN, MULTI_TURN = 2.0, 3.0  # times TRL's steps a second
OPENING, CLOSING = '{"name": "add", "arguments": {"n": ', "}}"
QUESTIONS = [f"what is {n} + {n + 1}, and {n} * 3?" for n in range(64)]


def odd(text: str) -> ag.Verdict:
    """A reward of no meaning, that half of all texts get."""
    return ag.Verdict.of(odd=sum(map(ord, text)) % 2 == 1)


class Question(ag.Env):
    """One answer, judged by the parity of its letters."""

    tasks = TaskSet.generate(lambda rng, split, n: ag.Task("", QUESTIONS[n], n), {"train": 64})

    def respond(self, action: str) -> ag.Reply:
        return ag.Reply(verdict=odd(action))


class Adder(ag.ToolEnv):
    """A tool that adds, and an answer judged by the parity of its letters."""

    tasks = Question.tasks

    def begin(self, task: ag.Task) -> str:
        self.total = 0
        return task.prompt

    @ag.tool
    def add(self, n: int) -> str:
        """Add a number to the total.

        Args:
            n: What to add.
        """
        self.total += n
        return str(self.total % 1000)

    def score(self, task: ag.Task, answer: str) -> ag.Verdict:
        return odd(answer)


def tokenizer_with_calls() -> Any:
    tokenizer = make_tokenizer()
    tokenizer.add_tokens([OPENING, CLOSING])
    return tokenizer


def talker(folder: Path) -> Path:
    """Write a random model that never ends a turn by itself."""
    import torch

    tokenizer = tokenizer_with_calls()
    model = make_model(StarterRecipe(tied=False), tokenizer)
    with torch.no_grad():  # one feature that is always on, by which the head forbids the end
        model.model.embed_tokens.weight[:, 0] = 1.0
        model.lm_head.weight[tokenizer.eos_token_id, 0] = -5.0
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def caller(folder: Path, steps: int = 120) -> Path:
    """Write a model that makes three calls with random numbers, then answers with one."""
    from agentgym.train.sft import encoded, teach

    rng = random.Random(0)

    def number() -> str:
        return "".join(rng.choices("123456789", k=DIGITS))

    def conversation() -> Iterator[ag.Message]:
        yield ag.Message("user", rng.choice(QUESTIONS))
        for _ in range(CALLS):
            yield ag.Message("assistant", f"<tool_call>{OPENING}{number()}{CLOSING}</tool_call>")
            yield ag.Message("tool", str(rng.randrange(1000)))
        yield ag.Message("assistant", number() + number()[:5])

    tokenizer = tokenizer_with_calls()
    recipe = StarterRecipe(steps=steps, batch=32)
    samples = encoded(tokenizer, [list(conversation()) for _ in range(1024)])
    model = teach(make_model(recipe, tokenizer), samples, recipe, lambda line: None)
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


class Ours:
    """Steps as `agentgym.train` takes them, on this model and environment."""

    def __init__(self, model: Path, env: str, algorithm: str, sampler: str, tokens: int) -> None:
        import torch

        from agentgym.policy.pretrained import load_model
        from agentgym.train.learner import Learner

        self.config = ag.TrainConfig(
            model=str(model),
            algorithm=algorithm,
            tasks_per_step=PROMPTS,
            group_size=GENERATIONS,
            max_tokens=tokens,
            packing=True,
        )
        self.env = env
        self.envs = EnvPool()
        self.number = 0
        self.learner = Learner(load_model(model, torch.float32), self.config, torch.device("cpu"))
        self.sampler = self._sampler(sampler, model)

    def _sampler(self, kind: str, model: Path) -> Any:
        batch = PROMPTS * GENERATIONS
        if kind == "vllm":
            from agentgym.policy.vllm import VllmPolicy

            return VllmPolicy(model, concurrency=batch)
        from agentgym.policy.transformers import TransformersPolicy

        return TransformersPolicy(model, batch=batch)

    def step(self) -> dict[str, float]:
        """Sample, learn and push once; return the seconds, of the whole and its parts."""
        from agentgym.train import weights
        from agentgym.train.learner import weigh

        first = self.number * PROMPTS
        start, cpu = time.perf_counter(), time.process_time()
        groups = ag.rollout(
            self.sampler,
            self.env,
            [f"train-{n % 64}" for n in range(first, first + PROMPTS)],
            GENERATIONS,
            sampling=ag.SamplingParams(max_tokens=self.config.turn_tokens),
            concurrency=PROMPTS * GENERATIONS,
            envs=self.envs,
        )
        sampled = time.perf_counter()
        algorithm = self.learner.algorithm
        self.learner.step(weigh(groups, algorithm.advantage, skip_no_signal=False), self.number)
        learned = time.perf_counter()
        weights.push(self.learner, self.sampler, self.number)
        end = time.perf_counter()
        self.number += 1
        return {
            "seconds": end - start,
            "cpu_s": time.process_time() - cpu,
            "sample": sampled - start,
            "learn": learned - sampled,
            "push": end - learned,
            "tokens": sum(sum(s.mask) for g in groups for e in g.episodes for s in e.samples),
        }

    def close(self) -> None:
        self.sampler.close()
        self.envs.close()


def trl_python() -> Path:
    """Return the interpreter of TRL's virtual environment, made first if there is none."""
    folder = cache_folder() / TRL.replace("==", "-")
    python = folder / "bin" / "python"
    if not (folder / "complete").exists():
        print(f"making {folder}", file=sys.stderr)
        subprocess.run([sys.executable, "-m", "venv", "--clear", folder], check=True)
        pinned = ["-c", ROOT / "requirements" / "constraints-cpu.txt"]
        command = [python, "-m", "pip", "install", "--quiet", *pinned, "torch", "transformers", TRL]
        subprocess.run(command, check=True, stdout=sys.stderr)
        (folder / "complete").touch()
    return python


def trl_settings(tokens: int, threads: int, defaults: bool) -> dict[str, Any]:
    batch = PROMPTS * GENERATIONS
    chosen = {"per_device_train_batch_size": batch, "gradient_checkpointing": False}
    if defaults:
        chosen = {"per_device_train_batch_size": 8, "gradient_accumulation_steps": batch // 8}
    return chosen | {
        "num_generations": GENERATIONS,
        "max_completion_length": tokens,
        "max_steps": 1000,
        "bf16": False,
        "save_strategy": "no",
        "logging_steps": 1,
        "disable_tqdm": True,
        "threads": threads,
    }


@contextmanager
def theirs(
    python: Path, kind: str, model: Path, settings: dict[str, Any]
) -> Iterator[Callable[[], dict[str, float]]]:
    """Start TRL; the yielded function lets it take one step and returns what it measured."""
    with tempfile.TemporaryDirectory() as folder:
        tasks, chosen = Path(folder) / "tasks.json", Path(folder) / "settings.json"
        tasks.write_text(json.dumps(QUESTIONS))
        chosen.write_text(json.dumps(settings))
        quiet = {"TRL_EXPERIMENTAL_SILENCE": "1", "HF_HUB_OFFLINE": "1"}
        log = (Path(folder) / "log").open("w+")
        child = subprocess.Popen(
            [python, Path(__file__).with_name("trl_side.py"), kind, model, tasks, chosen],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
            env=os.environ | quiet | {"OMP_NUM_THREADS": str(settings["threads"])},
        )
        assert child.stdin is not None
        assert child.stdout is not None

        def step() -> dict[str, float]:
            child.stdin.write("go\n")
            child.stdin.flush()
            line = child.stdout.readline()
            if not line:
                log.seek(0)
                raise RuntimeError(f"TRL ended: {log.read()[-3000:]}")
            row: dict[str, float] = json.loads(line)
            return row

        try:
            yield step
        finally:
            child.kill()
            child.wait()


Row = dict[str, float]


def compare(kind: str, model: Path, python: Path, options: Any) -> tuple[Row, Row]:
    """Return medians of what was measured of a step, ours and theirs, taken in turns."""
    tools = kind == "tools"
    env = f"bench/{'Adder' if tools else 'Question'}-v0"
    tokens = 2 * TOKENS if tools else TOKENS  # TRL counts what the tools said too
    settings = trl_settings(tokens, options.threads, options.trl_defaults)
    ours = Ours(model, env, "rloo" if kind == "rloo" else "grpo", options.sampler, TOKENS)
    rows: list[tuple[Row, Row]] = []
    with theirs(python, kind, model, settings) as their_step:
        for number in range(options.steps + 2):
            row = (their_step(), ours.step())
            if number >= 2:  # both are warm
                rows.append(row[::-1])
                print(kind, *rows[-1], sep="\n  ", file=sys.stderr)
    ours.close()
    mine, their = ([row[side] for row in rows] for side in (0, 1))
    return _medians(mine), _medians(their)


def _medians(rows: list[Row]) -> Row:
    return {name: median(row[name] for row in rows) for name in rows[0]}


def main() -> int:
    parser = arguments(__doc__)
    parser.add_argument("--steps", type=int, default=10)
    parser.add_argument("--threads", type=int, default=1, help="of either side")
    parser.add_argument("--sampler", choices=("vllm", "transformers"), default="vllm")
    parser.add_argument("--kinds", nargs="+", default=["grpo", "rloo", "tools"])
    parser.add_argument("--trl-defaults", action="store_true")
    parser.add_argument("--python", type=Path, help="an interpreter that has TRL already")
    options = parser.parse_args()
    import torch

    torch.set_num_threads(options.threads)
    ag.register("bench/Question-v0", "trl_comparison:Question")
    ag.register("bench/Adder-v0", "trl_comparison:Adder")
    python = options.python or trl_python()
    figures: dict[str, Figure] = {}
    with tempfile.TemporaryDirectory() as folder:
        for kind in options.kinds:
            make = caller if kind == "tools" else talker
            model = make(Path(folder) / kind)
            mine, their = compare(kind, model, python, options)
            limit = MULTI_TURN if kind == "tools" else SINGLE_TURN
            which = "cpu_s" if options.threads == 1 else "seconds"
            figures |= {
                f"{kind}_steps_per_s": Figure(1 / mine[which], "steps/s", None, 1 / their[which]),
                f"{kind}_times_trl": Figure.at_least(their[which] / mine[which], limit, "times", 1),
                f"{kind}_wall_s": Figure(mine["seconds"], "s a step", None, their["seconds"]),
            }
            for name in ("sample", "learn", "push"):
                figures[f"{kind}_{name}_wall_s"] = Figure(mine[name], "s a step")
    return report(figures, options.json)


if __name__ == "__main__":
    sys.exit(main())
