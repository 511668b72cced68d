"""What each algorithm learns on the main job: seeds, intervals and curves.

Every run is `agentgym train` in a process of its own, from the same starter policy, with the
settings of the main job; only the algorithm and the seed differ.

    python benchmarks/learning.py [--seeds 3] [--steps 60] [--out runs/learning] [--json]

A run that was finished before is not run again. The picture is written to OUT/learning.svg.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import fmean

from report import Figure, arguments, report

from agentgym.evaluate.curve import curve_svg
from agentgym.evaluate.statistics import mean_interval

ALGORITHMS = ("rloo", "grpo", "reinforce")
WINDOW = 5  # steps that a point of a curve is averaged over
BEFORE_LIMIT, AFTER_LIMIT = 0.45, 0.85


def train(algorithm: str, seed: int, steps: int, out: Path) -> dict[str, object]:
    """Train once in a process of its own; return the summary."""
    command = [sys.executable, "-m", "agentgym", "train"]
    command += ["--algorithm", algorithm, "--seed", str(seed), "--steps", str(steps)]
    subprocess.run([*command, "--out", str(out)], check=True, stdout=subprocess.DEVNULL)
    summary: dict[str, object] = json.loads((out / "summary.json").read_text())
    return summary


def curve(out: Path) -> list[float]:
    """Return the training reward of each step, averaged over a window."""
    rewards = [json.loads(line)["reward"] for line in (out / "metrics.jsonl").open()]
    return [fmean(rewards[max(0, n - WINDOW + 1) : n + 1]) for n in range(len(rewards))]


def draw(curves: Mapping[str, Sequence[Sequence[float]]]) -> str:
    """Draw the mean over seeds, with the range of the seeds as a band."""
    series = {}
    bands = {}
    for name, runs in curves.items():
        steps = list(zip(*runs, strict=True))
        series[name] = [(n + 1, fmean(values)) for n, values in enumerate(steps)]
        bands[name] = [(n + 1, min(values), max(values)) for n, values in enumerate(steps)]
    return curve_svg(
        series,
        title="agentgym/PythonMath-v0: success of sampled answers while training",
        x_label="optimizer steps (16 tasks x 8 episodes each)",
        y_label="success",
        bands=bands,
    )


def figures_of(
    algorithm: str, summaries: Sequence[Mapping[str, dict[str, object]]]
) -> dict[str, Figure]:
    """Return an algorithm's figures: success before and after, and the gain's interval."""
    before = [float(str(s["before"]["mean"])) for s in summaries]
    after = [float(str(s["after"]["mean"])) for s in summaries]
    lows = [s["gain"]["ci95"][0] for s in summaries]  # type: ignore[index]
    figures = {
        f"{algorithm}_before": Figure.at_most(max(before), BEFORE_LIMIT, "success, worst seed"),
        f"{algorithm}_after": Figure.at_least(min(after), AFTER_LIMIT, "success, worst seed"),
        f"{algorithm}_gain_low": Figure.at_least(min(lows), 0.0, "lower 95% end, worst seed"),
        f"{algorithm}_after_mean": Figure(fmean(after), "success, mean of seeds"),
    }
    if len(after) > 1:
        interval = mean_interval(after)
        figures[f"{algorithm}_after_half_width"] = Figure(
            (interval.high - interval.low) / 2, "95% half-width over seeds"
        )
    return figures


def main() -> int:
    parser = arguments(__doc__)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--steps", type=int, default=60)
    parser.add_argument("--out", type=Path, default=Path("runs/learning"))
    options = parser.parse_args()
    figures: dict[str, Figure] = {}
    curves: dict[str, list[list[float]]] = {}
    for algorithm in ALGORITHMS:
        summaries = []
        for seed in range(options.seeds):
            out = options.out / f"{algorithm}-s{seed}"
            summaries.append(train(algorithm, seed, options.steps, out))
            curves.setdefault(algorithm, []).append(curve(out))
            done = {name: summaries[-1][name]["mean"] for name in ("before", "after")}  # type: ignore[index]
            print(f"{algorithm} seed {seed}: {done}", file=sys.stderr)
        figures |= figures_of(algorithm, summaries)  # type: ignore[arg-type]
    (options.out / "learning.svg").write_text(draw(curves))
    return report(figures, options.json)


if __name__ == "__main__":
    sys.exit(main())
