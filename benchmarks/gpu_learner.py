"""The learner on one NVIDIA GPU: tokens a second, and the share of the chip's own matrix rate.

Random weights of the shapes of Qwen3-0.6B and Qwen3-1.7B learn from ragged packed batches of 16k
tokens in bfloat16, by the very `Learner.step` of a run. The rate of the chip is that of a large
bfloat16 product in the same run; the work is counted as the model's own (6 a weight and token, 12
a pair of positions that attend and feature, the head for the sampled tokens alone), recomputation
not. Beside it the same tokens by plain transformers: padded rows, autocast, whole logits, fused
AdamW. With ``--siblings 8`` conversations come eight at a time, their first half a prompt that all
eight have: then the learner is timed without sharing it too, and the work is that of whole ones.

    python benchmarks/gpu_learner.py [--shapes 0.6B 1.7B] [--checkpointing] [--compile] [--json]
                                     [--siblings 8]
    python benchmarks/gpu_learner.py --cpu         # tiny shapes: does it run?
"""

from __future__ import annotations

import gc
import random
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any

import torch
from report import Figure, arguments, report

from agentgym.train.batch import WeightedSample, micro_batches
from agentgym.train.config import TrainConfig
from agentgym.train.learner import Learner
from agentgym.types import Sample

CHIP_SHARE = 0.45  # of the measured matrix rate, at least
SAMPLED = 0.4  # of the tokens, in turns


@dataclass(frozen=True, slots=True)
class Shape:
    """A Qwen3 model, its head tied to the embeddings."""

    hidden: int
    intermediate: int
    layers: int
    heads: int
    key_heads: int
    head: int
    vocabulary: int

    def model(self, device: torch.device) -> Any:
        from transformers import Qwen3Config, Qwen3ForCausalLM

        config = Qwen3Config(
            vocab_size=self.vocabulary,
            hidden_size=self.hidden,
            intermediate_size=self.intermediate,
            num_hidden_layers=self.layers,
            num_attention_heads=self.heads,
            num_key_value_heads=self.key_heads,
            head_dim=self.head,
            tie_word_embeddings=True,
            max_position_embeddings=40_960,
        )
        with torch.device(device):
            return Qwen3ForCausalLM(config).eval()

    def operations(self, items: Sequence[WeightedSample]) -> float:
        """Return the floating-point operations of forward and backward."""
        wide, narrow = self.heads * self.head, self.key_heads * self.head
        attention = self.hidden * (2 * wide + 2 * narrow)
        weights = self.layers * (attention + 3 * self.hidden * self.intermediate)
        lengths = [len(item.sample.ids) for item in items]
        sampled = sum(sum(item.sample.mask) for item in items)
        pairs = sum(length * (length + 1) / 2 for length in lengths)
        return (
            6 * weights * sum(lengths)
            + 6 * self.hidden * self.vocabulary * sampled
            + 12 * self.layers * wide * pairs
        )


SHAPES = {
    "0.6B": Shape(1024, 3072, 28, 16, 8, 128, 151_936),
    "1.7B": Shape(2048, 6144, 28, 16, 8, 128, 151_936),
    "tiny": Shape(64, 128, 2, 4, 2, 16, 512),
}


def ragged(tokens: int, longest: int, vocabulary: int) -> list[WeightedSample]:
    """Return conversations of several turns with as many tokens in all, lengths log-uniform."""
    rng = random.Random(0)
    items: list[WeightedSample] = []
    while tokens > 1:
        drawn = int(longest * 16 ** -rng.random())
        length = tokens if drawn + 2 > tokens else drawn
        turn = max(2, length // 6)
        mask = tuple(int(n > 0 and n % turn >= turn * (1 - SAMPLED)) for n in range(length))
        ids = tuple(rng.choices(range(vocabulary), k=length))
        sample = Sample(ids, mask, tuple(-1.0 * m for m in mask))
        items.append(WeightedSample(sample, rng.choice((-1.0, 1.0))))
        tokens -= length
    return items


def siblings(items: Sequence[WeightedSample], count: int, vocabulary: int) -> list[WeightedSample]:
    """Return so many of each conversation, alike in their first half, nothing of it sampled."""
    rng, made = random.Random(1), []
    for item in items:
        half = len(item.sample.ids) // 2
        mask = (0,) * half + item.sample.mask[half:]
        for _ in range(count):
            ids = item.sample.ids[:half] + tuple(rng.choices(range(vocabulary), k=len(mask) - half))
            sample = Sample(ids, mask, tuple(-1.0 * m for m in mask))
            made.append(WeightedSample(sample, rng.choice((-1.0, 1.0))))
    return made


def _synchronize(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def timed(step: Callable[[], object], device: torch.device, rounds: int) -> tuple[float, float]:
    """Return median seconds of a step after two that warm up, and the peak memory in GB."""
    seconds = []
    for number in range(rounds + 2):
        if number == 2 and device.type == "cuda":
            torch.cuda.reset_peak_memory_stats(device)
        _synchronize(device)
        start = time.perf_counter()
        step()
        _synchronize(device)
        if number >= 2:
            seconds.append(time.perf_counter() - start)
    peak = torch.cuda.max_memory_allocated(device) if device.type == "cuda" else 0
    return median(seconds), peak / 1e9


def matrix_rate(device: torch.device, rounds: int) -> float:
    """Return operations a second of a large product, in the precision of learning."""
    size, dtype = (8192, torch.bfloat16) if device.type == "cuda" else (512, torch.float32)
    left, right = (torch.randn(size, size, device=device, dtype=dtype) for _ in range(2))

    def ten() -> None:
        for _ in range(10):
            left @ right

    return 10 * 2 * size**3 / timed(ten, device, rounds)[0]


def plain_step(model: Any, optimizer: Any, batches: Sequence[Any], device: torch.device) -> None:
    """Learn from padded rows as the textbook does: whole logits, one softmax."""
    for batch in batches:
        there = torch.arange(batch.ids.shape[1], device=device) < batch.lengths[:, None]
        with torch.autocast(device.type, torch.bfloat16, enabled=device.type == "cuda"):
            logits = model(input_ids=batch.ids, attention_mask=there, use_cache=False).logits
        logs = torch.log_softmax(logits[:, :-1].float(), dim=-1)
        chosen = logs.gather(-1, batch.ids[:, 1:, None]).squeeze(-1)
        loss = -(chosen * batch.advantages)[batch.mask].sum() / len(batches)
        loss.backward()
    torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    optimizer.step()
    optimizer.zero_grad()


def ours(
    shape: Shape,
    items: Sequence[WeightedSample],
    device: torch.device,
    options: Any,
    share: bool | None = None,
) -> tuple[float, float]:
    """Return seconds and peak memory of `Learner.step`."""
    config = TrainConfig(
        micro_batch_tokens=options.tokens,
        packing=True,
        share_prompts=share,
        gradient_checkpointing=options.checkpointing,
        compile=options.compile,
    )
    learner = Learner(shape.model(device), config, device)
    return timed(lambda: learner.step(items, 0), device, options.rounds)


def measure(name: str, device: torch.device, rate: float, options: Any) -> dict[str, Figure]:
    """Return the figures of one shape, ours and plain."""
    shape = SHAPES[name]
    tokens = options.tokens * options.batches // options.siblings
    items = ragged(tokens, options.longest, shape.vocabulary)
    if options.siblings > 1:
        items = siblings(items, options.siblings, shape.vocabulary)
    tokens = sum(len(item.sample.ids) for item in items)
    ours_s, ours_gb = ours(shape, items, device, options)
    _free()
    plain_s, plain_gb = plain(shape, items, device, options)
    _free()
    share = shape.operations(items) / ours_s / rate
    plain_rate = None if plain_s is None else tokens / plain_s
    judged = device.type == "cuda" and options.siblings == 1
    figures = {}
    if options.siblings > 1:
        whole_s, whole_gb = ours(shape, items, device, options, share=False)
        figures[f"{name}_shared_prompts_times"] = Figure(whole_s / ours_s, "times as fast")
        figures[f"{name}_shared_prompts_peak"] = Figure(ours_gb, "GB", None, whole_gb)
        _free()
    return figures | {
        f"{name}_tokens_per_s": Figure(tokens / ours_s, "tokens/s", None, plain_rate),
        f"{name}_share_of_matrix_rate": Figure(
            share, "ratio", CHIP_SHARE if judged else None, 1.0, share >= CHIP_SHARE or not judged
        ),
        f"{name}_peak_memory": Figure(ours_gb, "GB", None, plain_gb),
    }


def plain(
    shape: Shape, items: Sequence[WeightedSample], device: torch.device, options: Any
) -> tuple[float | None, float | None]:
    """Return seconds and peak memory of plain transformers, None where it does not fit."""
    model = shape.model(device)
    fused = device.type == "cuda"
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-6, betas=(0.9, 0.95), fused=fused)
    batches = [batch.to(device) for batch in micro_batches(items, options.tokens)]
    try:
        return timed(lambda: plain_step(model, optimizer, batches, device), device, options.rounds)
    except torch.OutOfMemoryError:
        return None, None


def _free() -> None:
    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()


def main() -> int:
    parser = arguments(__doc__)
    parser.add_argument("--shapes", nargs="+", choices=SHAPES, default=["0.6B", "1.7B"])
    parser.add_argument("--tokens", type=int, default=16_384, help="of one packed batch")
    parser.add_argument("--batches", type=int, default=4, help="of one step")
    parser.add_argument("--longest", type=int, default=8_192, help="tokens of a conversation")
    parser.add_argument("--siblings", type=int, default=1, help="conversations of one prompt")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--checkpointing", action="store_true")
    parser.add_argument("--compile", action="store_true")
    parser.add_argument("--cpu", action="store_true", help="tiny shapes on the CPU")
    options = parser.parse_args()
    if options.cpu:
        options.shapes, options.tokens, options.longest, options.rounds = ["tiny"], 512, 128, 1
    elif not torch.cuda.is_available():
        print("no CUDA device: use --cpu to see whether it runs", file=sys.stderr)
        return 2
    device = torch.device("cpu" if options.cpu else "cuda")
    rate = matrix_rate(device, options.rounds)
    figures = {"matrix_rate": Figure(rate / 1e12, "TFLOP/s")}
    for name in options.shapes:
        figures |= measure(name, device, rate, options)
    return report(figures, options.json)


if __name__ == "__main__":
    sys.exit(main())
