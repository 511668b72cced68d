"""The learner beside a bare forward-backward of its model, and what its log-probabilities hold.

Learning is all of a step: batches made of ragged multi-turn conversations (what `PythonMath-v0`
demonstrates), forward, log-probabilities of the sampled tokens, loss, backward, clipping, AdamW.
Bare is transformers' own ``model(ids, labels=ids).loss.backward()`` on as many tokens in full rows,
every one of them in the loss. Seconds are the process's own CPU seconds on one thread: on a machine
that is shared they say more than the clock.

Groups of siblings with long prompts are learned from twice, each prompt once and once a sibling.
All other figures are those of whole sequences.

    python benchmarks/learner.py [--episodes 128] [--groups 8] [--rounds 7] [--json]
"""

from __future__ import annotations

import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import mean, median
from typing import Any

import torch
from report import Figure, arguments, report

from agentgym.train.batch import WeightedSample
from agentgym.train.config import TrainConfig
from agentgym.train.learner import Learner
from agentgym.train.logprobs import linear_logprobs, token_logprobs
from agentgym.train.sft import demonstrate, encoded
from agentgym.train.starter import StarterRecipe, make_model, make_tokenizer
from agentgym.types import Sample

BARE_SHARE = 0.85  # of the bare tokens a second, at least
MEMORY_SHARE = 0.35  # of the memory of whole logits, at most
PUSH_LIMIT_MS, GAP_LIMIT = 5.0, 1e-4
VOCABULARY, WIDTH, POSITIONS = 152_064, 128, 1024
SIBLINGS, PROMPT, CONTINUATION, TURNS = 8, 300, 150, 3  # tokens, those of a continuation on average
CPU = torch.device("cpu")


def ragged(episodes: int) -> list[WeightedSample]:
    """Return real conversations of several turns, with advantages of either sign."""
    samples = encoded(make_tokenizer(), demonstrate(StarterRecipe(demonstrations=episodes), _quiet))
    rng = random.Random(0)
    return [WeightedSample(sample, rng.choice((-1.0, 0.5, 1.0))) for sample in samples]


def siblings(groups: int) -> list[WeightedSample]:
    """Return groups of conversations of several turns, half of each sampled, after one prompt."""
    rng, items = random.Random(0), []
    for _ in range(groups):
        prompt = tuple(rng.choices(range(256), k=PROMPT))
        for _ in range(SIBLINGS):
            half = rng.randint(CONTINUATION // 2, 3 * CONTINUATION // 2) // TURNS // 2
            mask = (0,) * PROMPT + ((1,) * half + (0,) * half) * TURNS
            ids = prompt + tuple(rng.choices(range(256), k=len(mask) - PROMPT))
            sample = Sample(ids, mask, tuple(-1.0 * each for each in mask))
            items.append(WeightedSample(sample, rng.choice((-1.0, 1.0))))
    return items


def _quiet(line: str) -> None:
    return None


def a_learner(**settings: Any) -> Learner:
    return Learner(make_model(StarterRecipe(), make_tokenizer()), TrainConfig(**settings), CPU)


def full_rows(items: Sequence[WeightedSample]) -> torch.Tensor:
    """Return as many tokens as the items have, in rows of their mean length."""
    lengths = [len(item.sample.ids) for item in items]
    return torch.randint(0, 256, (len(items), round(mean(lengths))))


def bare_step(model: Any, rows: torch.Tensor, places: int) -> None:
    for part in rows.split(max(1, places // rows.shape[1])):
        model(input_ids=part, labels=part, use_cache=False).loss.backward()
    model.zero_grad()


def alternate(steps: dict[str, Callable[[], object]], rounds: int) -> dict[str, float]:
    """Return median CPU seconds of each, taken in turns after one round that warms up."""
    seconds: dict[str, list[float]] = {name: [] for name in steps}
    for number in range(rounds + 1):
        for name, step in steps.items():
            start = time.process_time()
            step()
            if number:
                seconds[name].append(time.process_time() - start)
    return {name: median(values) for name, values in seconds.items()}


def speed(episodes: int, rounds: int, places: int) -> dict[str, Figure]:
    items = ragged(episodes)
    tokens = sum(len(item.sample.ids) for item in items)
    packed = a_learner(packing=True, share_prompts=False, micro_batch_tokens=places)
    padded = a_learner(packing=False, micro_batch_tokens=places)
    model, rows = make_model(StarterRecipe(), make_tokenizer()).eval(), full_rows(items)
    seconds = alternate(
        {
            "packed": lambda: packed.step(items, 0),
            "padded": lambda: padded.step(items, 0),
            "bare": lambda: bare_step(model, rows, places),
        },
        rounds,
    )
    rates = {name: tokens / each for name, each in seconds.items()}
    rates["bare"] = rows.numel() / seconds["bare"]
    share = rates["packed"] / rates["bare"]
    return {
        "learning_tokens_per_s": Figure(rates["packed"], "tokens/s", None, rates["bare"]),
        "share_of_bare": Figure.at_least(share, BARE_SHARE, "ratio", 1.0),
        "padded_share_of_bare": Figure(rates["padded"] / rates["bare"], "ratio", None, 1.0),
        "tokens": Figure(float(tokens), "tokens"),
        "sampled_share": Figure(sum(sum(i.sample.mask) for i in items) / tokens, "ratio"),
    }


def sharing(groups: int, rounds: int, places: int) -> dict[str, Figure]:
    """Compare steps from the same groups, prompts computed once and once a sibling."""
    items = siblings(groups)
    once, each = (
        a_learner(packing=True, share_prompts=share, micro_batch_tokens=places)
        for share in (True, False)
    )
    seconds = alternate(
        {"once": lambda: once.step(items, 0), "each": lambda: each.step(items, 0)}, rounds
    )
    sizes = ("--groups", str(groups), "--places", str(places))
    memory = {how: _output("--sharing-step", how, *sizes)[0] for how in seconds}
    return {
        "shared_prompts_s": Figure(seconds["once"], "CPU s", None, seconds["each"]),
        "shared_prompts_times": Figure(seconds["each"] / seconds["once"], "times as fast"),
        "shared_prompts_peak_mb": Figure(memory["once"], "MB", None, memory["each"]),
    }


def sharing_step(how: str, groups: int, places: int) -> None:
    """Learn once from such groups; print what that added to the peak."""
    learner = a_learner(packing=True, share_prompts=how == "once", micro_batch_tokens=places)
    items = siblings(groups)
    learner.step(items[:1], 0)  # the optimizer's state is there, and all that is imported
    before = _resident()
    learner.step(items, 0)
    print((_kilobytes("VmHWM") - before) / 1024)


def _resident() -> int:
    """Begin the peak of this process here; return what it holds now."""
    Path("/proc/self/clear_refs").write_text("5")
    return _kilobytes("VmRSS")


def _output(*options: str) -> list[float]:
    """Return the numbers that this script prints in a process of its own."""
    command = [sys.executable, __file__, *options]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return [float(value) for value in done.stdout.split()]


def logprob_step(how: str) -> None:
    """Score positions and differentiate once; print what that added to the peak, and the time."""
    torch.manual_seed(0)
    hidden = torch.randn(POSITIONS, WIDTH, requires_grad=True)
    weight = torch.randn(VOCABULARY, WIDTH, requires_grad=True)
    targets = torch.randint(0, VOCABULARY, (POSITIONS,))
    before = _resident()
    start = time.process_time()
    if how == "chunked":
        chosen, _ = linear_logprobs(hidden, weight, None, targets, rows=(1 << 24) // VOCABULARY)
    else:
        logs = torch.log_softmax((hidden @ weight.t()).float(), dim=-1)
        chosen = logs.gather(-1, targets[:, None]).squeeze(-1)
    chosen.sum().backward()  # type: ignore[no-untyped-call]
    seconds = time.process_time() - start
    print((_kilobytes("VmHWM") - before) / 1024, seconds)


def _kilobytes(field: str) -> int:
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(field))


def memory() -> dict[str, Figure]:
    """Compare both ways in processes of their own."""
    (ours, our_s), (whole, whole_s) = (
        _output("--logprob-step", how) for how in ("chunked", "whole")
    )
    return {
        "logprob_peak_mb": Figure(ours, "MB", None, whole),
        "logprob_peak_share": Figure.at_most(ours / whole, MEMORY_SHARE, "ratio", 1.0),
        "logprob_seconds": Figure(our_s, "CPU s, entropies too", None, whole_s),
    }


def engine(rounds: int) -> dict[str, Figure]:
    """Push weights into a running vLLM engine, sample, and compare log-probabilities."""
    from agentgym.blocking import wait_for
    from agentgym.policy.vllm import VllmPolicy
    from agentgym.types import SamplingParams

    learner = a_learner()
    with tempfile.TemporaryDirectory() as folder:
        learner.model.save_pretrained(folder)
        make_tokenizer().save_pretrained(folder)
        policy = VllmPolicy(Path(folder), concurrency=64)
    times, gaps = [], []
    for number in range(rounds + 1):
        start = time.perf_counter()
        wait_for(policy.load_weights(learner.named_tensors(), number))
        times.append(time.perf_counter() - start)
        prompt = list(range(40 + number, 70 + number))
        turn = wait_for(policy.sample(prompt, SamplingParams(max_tokens=64)))
        ids = torch.tensor([[*prompt, *turn.ids]])
        mask = torch.arange(ids.shape[1] - 1)[None] >= len(prompt) - 1
        with torch.no_grad():
            logprobs, _ = token_logprobs(learner.model, ids, mask)
        gaps.append(float((logprobs[mask] - torch.tensor(turn.logprobs)).abs().max()))
        with torch.no_grad():  # the next push brings another model
            for parameter in learner.model.parameters():
                parameter.add_(0.01 * torch.randn_like(parameter))
    policy.close()
    return {
        "weight_push_ms": Figure.at_most(1000 * median(times[1:]), PUSH_LIMIT_MS, "ms"),
        "logprob_gap_max": Figure.at_most(max(gaps), GAP_LIMIT, "nats"),
    }


def main() -> int:
    parser = arguments(__doc__)
    parser.add_argument("--episodes", type=int, default=128)
    parser.add_argument("--groups", type=int, default=8, help="of siblings with long prompts")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--places", type=int, default=16_384, help="of one micro-batch")
    parser.add_argument("--no-engine", action="store_true", help="leave out what needs vLLM")
    parser.add_argument("--logprob-step", choices=("chunked", "whole"), help="one way, measured")
    parser.add_argument("--sharing-step", choices=("once", "each"), help="one way, measured")
    options = parser.parse_args()
    torch.set_num_threads(1)
    if options.logprob_step:
        logprob_step(options.logprob_step)
        return 0
    if options.sharing_step:
        sharing_step(options.sharing_step, options.groups, options.places)
        return 0
    figures = speed(options.episodes, options.rounds, options.places) | memory()
    figures |= sharing(options.groups, options.rounds, options.places)
    if not options.no_engine:
        figures |= engine(options.rounds)
    return report(figures, options.json)


if __name__ == "__main__":
    sys.exit(main())
