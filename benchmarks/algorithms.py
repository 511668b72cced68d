"""What each preset learns on the main job: seeds, curves, and which differences are real.

Every run is `agentgym train` in a process of its own, from the same starter policy, with the
settings of the main job; only the algorithm and the seed differ. Sampled by transformers on one
thread: a run then takes a minute and a half of one core, no engine's start among it.

    python benchmarks/algorithms.py [--seeds 5] [--steps 40] [--presets rloo grpo ...] [--json]

A run that was finished before is not run again. Beside success on held-out tasks: the mean success
over the sampled tokens that all runs have (how fast it learns), and diversity, the chance that two
successes of a group are different programs, at the end. Differences to the first preset are paired
by seed, with Holm's correction. The picture, success against sampled tokens, is OUT/algorithms.svg.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from typing import Any

from report import Figure, arguments, report

from agentgym.algorithms.presets import PRESETS
from agentgym.evaluate.curve import curve_svg
from agentgym.evaluate.diversity import diversity, solution
from agentgym.evaluate.statistics import holm, mean_interval, paired
from agentgym.rollout.ledger import episode_from_json

WINDOW = 5  # steps that a point of a curve is averaged over
LAST = 5  # steps that diversity is taken from
POINTS = 40  # of a curve in the picture
# What the main job must come to with the default preset, as `make train` does in twice the steps.
BEFORE_LIMIT, AFTER_LIMIT = 0.45, 0.8


@dataclass(frozen=True, slots=True)
class Trained:
    """One run: held-out success before and after, and what was sampled on the way.

    Attributes:
        tokens: Sampled up to the end of each step.
        success: Of the step's episodes, averaged over a window.
        diversity: The chance that two successes of a group differ, the mean over the groups of the
            last steps that have two or more; None where there is no such group.
    """

    before: float
    after: float
    gain_low: float
    tokens: list[int]
    success: list[float]
    diversity: float | None

    def speed(self, tokens: int) -> float:
        """Return the mean success over the first tokens."""
        total, at = 0.0, 0
        for end, success in zip(self.tokens, self.success, strict=True):
            total += success * max(0, min(end, tokens) - at)
            at = min(end, tokens)
        return total / max(1, at)

    def at(self, tokens: float) -> float:
        """Return the success of the step that a token is sampled in."""
        for end, success in zip(self.tokens, self.success, strict=True):
            if tokens <= end:
                return success
        return self.success[-1]


def train(preset: str, seed: int, steps: int, out: Path) -> Trained:
    """Train once in a process of its own, unless that was done before."""
    command = [sys.executable, "-m", "agentgym", "train", "--algorithm", preset]
    command += ["--seed", str(seed), "--steps", str(steps), "--out", str(out)]
    command += ["--sampler", "transformers"]
    one_thread = {**os.environ, "OMP_NUM_THREADS": "1"}
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, env=one_thread)
    summary = json.loads((out / "summary.json").read_text())
    print(f"{preset} seed {seed}: {summary['after']['mean']:.3f}", file=sys.stderr)
    return read(out, summary)


def read(out: Path, summary: Mapping[str, Any]) -> Trained:
    """Read what a run has left in its folder."""
    rewards, tokens = defaultdict(list), defaultdict(int)
    programs: dict[str, Counter[str]] = defaultdict(Counter)
    for row in map(json.loads, (out / "episodes.jsonl").open()):
        step = row["step"]
        tokens[step] += sum(sum(sample["mask"]) for sample in row["samples"])
        if row["reward"] is not None:
            rewards[step].append(row["reward"])
        if row["reward"] == 1.0 and step >= summary["steps"] - LAST:
            programs[f"{step} {row['task_id']}"][solution(episode_from_json(row))] += 1
    means = [fmean(rewards[step]) for step in sorted(rewards)]
    ends, total = [], 0
    for step in sorted(rewards):
        total += tokens[step]
        ends.append(total)
    differ = diversity(programs).differ
    return Trained(
        summary["before"]["mean"],
        summary["after"]["mean"],
        summary["gain"]["ci95"][0],
        ends,
        [fmean(means[max(0, n - WINDOW + 1) : n + 1]) for n in range(len(means))],
        differ and differ.mean,
    )


def draw(runs: Mapping[str, Sequence[Trained]]) -> str:
    """Draw the mean over seeds, with the range of the seeds as a band."""
    series, bands = {}, {}
    for name, several in runs.items():
        most = min(run.tokens[-1] for run in several)
        places = [most * n / POINTS for n in range(1, POINTS + 1)]
        values = [[run.at(x) for run in several] for x in places]
        pairs = list(zip(places, values, strict=True))
        series[name] = [(x, fmean(v)) for x, v in pairs]
        bands[name] = [(x, min(v), max(v)) for x, v in pairs]
    return curve_svg(
        series,
        title="agentgym/PythonMath-v0: success while training, by preset",
        x_label="sampled tokens",
        y_label="success of sampled answers",
        bands=bands,
    )


def half_width(values: Sequence[float]) -> float:
    if len(values) < 2:
        return float("nan")
    interval = mean_interval(values)
    return (interval.high - interval.low) / 2


def figures_of(runs: Mapping[str, Sequence[Trained]]) -> Iterator[tuple[str, Figure]]:
    """Yield each preset's figures."""
    tokens = min(run.tokens[-1] for several in runs.values() for run in several)
    for name, several in runs.items():
        after = [run.after for run in several]
        speed = [run.speed(tokens) for run in several]
        different = [run.diversity for run in several if run.diversity is not None]
        limit = AFTER_LIMIT if name == "rloo" else None
        yield (
            f"{name}: held-out",
            Figure(
                fmean(after),
                f"+- {half_width(after):.3f}",
                limit,
                several[0].before,
                not limit or min(after) >= limit,
            ),
        )
        yield (
            f"{name}: gain, lower end",
            Figure.at_least(min(run.gain_low for run in several), 0.0, "of the worst seed"),
        )
        yield f"{name}: speed", Figure(fmean(speed), f"+- {half_width(speed):.3f}")
        if different:
            yield f"{name}: diversity", Figure(fmean(different), "two successes differ")
    worst = max(run.before for several in runs.values() for run in several)
    yield "held-out before", Figure.at_most(worst, BEFORE_LIMIT, "worst seed")


def differences(runs: Mapping[str, Sequence[Trained]]) -> Iterator[tuple[str, Figure]]:
    """Yield how much faster than the first each other preset learns, and Holm's p-value."""
    first, *others = runs
    tokens = min(run.tokens[-1] for several in runs.values() for run in several)
    speeds = {
        name: {str(seed): [run.speed(tokens)] for seed, run in enumerate(several)}
        for name, several in runs.items()
    }
    found = {name: paired(speeds[first], speeds[name]) for name in others}
    adjusted = holm([found[name].p for name in others])
    for p, name in sorted(zip(adjusted, others, strict=True)):
        verdict = "real" if p < 0.05 else "not shown"
        yield f"speed, {name} - {first}", Figure(found[name].mean, f"p {p:.3f}: {verdict}")


def main() -> int:
    parser = arguments(__doc__)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--steps", type=int, default=40)
    parser.add_argument("--jobs", type=int, default=1, help="runs at a time")
    parser.add_argument("--out", type=Path, default=Path("runs/algorithms"))
    ordered = ["rloo", *(name for name in PRESETS if name != "rloo")]
    parser.add_argument("--presets", nargs="+", default=ordered, choices=ordered)
    options = parser.parse_args()
    wanted = [(name, seed) for seed in range(options.seeds) for name in options.presets]

    def one(job: tuple[str, int]) -> Trained:
        name, seed = job
        return train(name, seed, options.steps, options.out / f"{name}-s{seed}")

    with ThreadPoolExecutor(options.jobs) as pool:
        done = list(pool.map(one, wanted))
    runs: dict[str, list[Trained]] = {name: [] for name in options.presets}
    for (name, _), trained in zip(wanted, done, strict=True):
        runs[name].append(trained)
    (options.out / "algorithms.svg").write_text(draw(runs))
    figures = dict(figures_of(runs))
    if options.seeds > 1 and len(runs) > 1:
        figures |= differences(runs)
    return report(figures, options.json)


if __name__ == "__main__":
    sys.exit(main())
