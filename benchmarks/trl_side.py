"""TRL's trainers, one step whenever the other side says so; run by `trl_comparison.py`.

It runs in a virtual environment of its own and knows nothing of agentgym. Each line ``go`` on its
standard input lets it take one optimizer step; the answer is a line of JSON: the seconds, by the
clock and of CPU, and what TRL logged of the step.

    python benchmarks/trl_side.py {grpo,rloo,tools} MODEL TASKS.json SETTINGS.json
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import Any

import torch
from datasets import Dataset
from transformers import AutoTokenizer, TrainerCallback
from trl import GRPOConfig, GRPOTrainer, RLOOConfig, RLOOTrainer

TRAINERS = {
    "grpo": (GRPOConfig, GRPOTrainer),
    "rloo": (RLOOConfig, RLOOTrainer),
    "tools": (GRPOConfig, GRPOTrainer),
}
# How TRL reads a tool call of the benchmark's chat template.
RESPONSES = {
    "defaults": {"role": "assistant"},
    "start_anchor": "<|assistant|>",
    "fields": {
        "tool_calls": {
            "open": "<tool_call>",
            "close_pattern": r"</tool_call>\s*",
            "repeats": True,
            "content": "json",
            "transform": {"type": "function", "function": "{content}"},
        },
        "content": {"close_pattern": r"<\|end\|>\s*", "content": "text"},
    },
}


class Adder:
    """The environment of `trl_comparison.Adder` as TRL wants it."""

    def reset(self, **kwargs: Any) -> None:
        self.total = 0
        self.calls = 0

    def add(self, n: int) -> str:
        """Add a number to the total.

        Args:
            n: What to add.
        """
        self.total += n
        self.calls += 1
        return str(self.total % 1000)


class Steps(TrainerCallback):
    """Waits before each step until it is allowed, and says how long it took."""

    def on_step_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        if sys.stdin.readline().strip() != "go":
            control.should_training_stop = True
            sys.exit(0)
        self.start, self.cpu = time.perf_counter(), time.process_time()

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        self.row = {
            "seconds": time.perf_counter() - self.start,
            "cpu_s": time.process_time() - self.cpu,
        }

    def on_log(self, args: Any, state: Any, control: Any, logs: Any = None, **kwargs: Any) -> None:
        if "reward" in (logs or {}):
            kept = ("reward", "completions/mean_length", "tools/call_frequency")
            row = self.row | {k: float(logs[k]) for k in kept if k in logs}
            sys.__stdout__.write(json.dumps(row) + "\n")
            sys.__stdout__.flush()


def parity(completions: list[Any], **kwargs: Any) -> list[float]:
    texts = [completion[-1]["content"] or "" for completion in completions]
    return [float(sum(map(ord, text)) % 2) for text in texts]


def main() -> None:
    kind, model, tasks, settings = sys.argv[1], *map(Path, sys.argv[2:5])
    sys.stdout = sys.stderr  # the standard output is for the figures
    config, trainer = TRAINERS[kind]
    given = json.loads(settings.read_text())
    torch.set_num_threads(given.pop("threads"))
    rows = [
        {"prompt": [{"role": "user", "content": text}]} for text in json.loads(tasks.read_text())
    ]
    tokenizer = AutoTokenizer.from_pretrained(model)
    tokenizer.response_template = RESPONSES
    args = config(output_dir=str(tasks.parent / kind), use_cpu=True, report_to="none", **given)
    more = {"environment_factory": Adder} if kind == "tools" else {}
    trainer(
        model=str(model),
        args=args,
        reward_funcs=parity,
        train_dataset=Dataset.from_list(rows),
        processing_class=tokenizer,
        callbacks=[Steps()],
        **more,
    ).train()


if __name__ == "__main__":
    main()
