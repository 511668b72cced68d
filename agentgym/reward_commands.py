"""The verbs `reward-model` and `dpo`: learn from preference pairs, and watch what is learned.

`agentgym reward-model PAIRS` trains; `agentgym reward-model watch SOURCE` looks for
over-optimisation. A file of pairs that is named watch is given as ./watch.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rich.table import Table
from rich.text import Text

from agentgym.flags import parse, take
from agentgym.rewardmodel.config import DpoConfig, RewardModelConfig, WatchConfig
from agentgym.terminal import full_disk_told, output_kept, print_json, saying, text_console

__all__ = ["dpo", "reward_model"]


def reward_model(argv: list[str]) -> int:
    """Train a reward model, or watch one."""
    if argv[:1] == ["watch"]:
        return _watch(argv[1:])
    as_json = take(argv, "--json")
    about = (
        "Train a reward model on preference pairs. 'agentgym reward-model watch SOURCE' looks for "
        "over-optimisation."
    )
    config = parse(RewardModelConfig, "reward-model", argv, about)
    from agentgym.rewardmodel.train import train_reward_model

    with output_kept(), full_disk_told(config.folder):
        run = train_reward_model(config, say=saying())
    return _told(run.path, run.summary, as_json)


def dpo(argv: list[str]) -> int:
    """Train a policy on preference pairs."""
    as_json = take(argv, "--json")
    about = "Train a policy on preference pairs by direct preference optimisation."
    config = parse(DpoConfig, "dpo", argv, about)
    from agentgym.rewardmodel.dpo import train_dpo

    with output_kept(), full_disk_told(config.folder):
        run = train_dpo(config, say=saying())
    return _told(run.path, run.summary, as_json)


def _watch(argv: list[str]) -> int:
    as_json = take(argv, "--json")
    about = (
        "Compare the true reward with the learned one along the KL: exit status 1 if the true one "
        "falls while the learned one rises."
    )
    config = parse(WatchConfig, "reward-model watch", argv, about)
    from agentgym.rewardmodel.sources import points_of_run, points_of_samples
    from agentgym.rewardmodel.watch import watch, write_report

    is_run = config.source.is_dir()
    with output_kept():
        points = points_of_run(config, saying()) if is_run else points_of_samples(config)
    seen = watch(points)
    folder = config.out or (config.source if is_run else config.source.parent)
    report = write_report(folder, points, seen)
    if as_json:
        print_json(report)
    else:
        _show_watch(report, folder)
    return 1 if seen.over_optimised else 0


def _show_watch(report: Mapping[str, Any], folder: Path) -> None:
    table = Table("policy", "KL", "gold", "learned", box=None, header_style="bold")
    for row in report["points"]:
        gold, learned = (f"{row[name]['mean']:.3f}" for name in ("gold", "learned"))
        table.add_row(Text(row["label"]), f"{row['kl']:.3f}", gold, learned)
    console = text_console()
    console.print(table)
    style = "bold red" if report["over_optimised"] else "green"
    console.print(Text(report["text"], style=style), soft_wrap=True)
    console.print(Text(str(folder / "overoptimisation.svg")), soft_wrap=True)


def _told(path: Path, summary: Mapping[str, Any], as_json: bool) -> int:
    if as_json:
        print_json({"run": str(path), **summary})
        return 0
    low, high = summary["accuracy"]["ci95"]
    pairs, found = summary["pairs"], summary["calibration"]
    table = Table(box=None, show_header=False)
    table.add_row("run", Text(str(path)))
    table.add_row("model", Text(str(path / "model")))
    counts = f"{pairs['train']} learned from, {pairs['held_out']} held out"
    table.add_row("pairs", f"{counts}, {pairs['left_out']} too long")
    accuracy = f"{summary['accuracy']['mean']:.3f} (95% interval {low:.3f} to {high:.3f})"
    table.add_row("held-out accuracy", accuracy)
    table.add_row("  of the longer answer", f"{summary['longer_is_chosen']:.3f}")
    table.add_row("calibration error", f"{found['error']:.3f}")
    for row in found["table"]:
        if row["pairs"]:
            bounds = f"({row['ci95'][0]:.2f} to {row['ci95'][1]:.2f})"
            line = f"said {row['predicted']:.3f}, was {row['observed']:.3f} {bounds}"
            table.add_row(f"  {row['low']:.2f} to {row['high']:.2f}", f"{row['pairs']:>5} {line}")
    if kl := summary.get("kl"):
        table.add_row("KL to the reference", f"{kl['mean']:.3f} nats an answer")
    text_console().print(table)
    return 0
