"""The story of a run: sample, learn, push, save; evaluated before and after."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from agentgym.errors import RunError
from agentgym.evaluate.curve import curve_svg
from agentgym.train.config import TrainConfig
from agentgym.train.evaluations import Evaluated, gain
from agentgym.train.folder import RunFolder, write_json
from agentgym.types import Group

__all__ = ["Run", "train"]


@dataclass(frozen=True, slots=True)
class Run:
    """A finished run.

    Attributes:
        path: The run folder.
        summary: What ``summary.json`` holds.
    """

    path: Path
    summary: dict[str, Any]

    @property
    def model(self) -> Path:
        """Return the folder of the trained model."""
        return self.path / "model"


def train(config: TrainConfig | None = None, *, say: Callable[[str], None] | None = None) -> Run:
    """Train as the settings say; on a folder that holds a part of this run, go on from there.

    Args:
        config: The settings; None is the main job.
        say: Called with each line of progress; None prints nothing.

    Returns:
        The finished run.

    Raises:
        UsageError: If a setting, the environment or the model cannot be as asked.
        RunError: If the folder is in use, or belongs to a run with other settings.
        WeightSyncError: If a weight push did not arrive whole.
    """
    config = config or TrainConfig()
    say = say or (lambda _: None)
    with RunFolder(config) as folder, ExitStack() as stack:
        summary = folder.summary()
        if summary is not None and summary["steps"] >= config.steps:
            say(f"'{folder.path}' is finished: {summary['steps']} steps")
            return Run(folder.path, summary)
        from agentgym.train.session import Session

        session = Session.open(config, folder, stack, say)
        if config.eval_tasks and session.step == 0:
            say(_line_of(session.evaluate(), "before"))
        while session.step < config.steps:
            groups, rates = _sampled(session)
            row = _learn(session, groups) | rates | session.report()
            session.step += 1
            with session.clock.phase("sync"):
                row["push_gap"] = session.pushed(row["updated"])
            row |= _times(session)
            session.metrics.append(row)
            say(session.metrics.line(row))
            due = session.step % config.save_every == 0 or session.step == config.steps
            if due:
                session.save()
            if config.eval_every and session.step % config.eval_every == 0:
                say(_line_of(session.evaluate(), f"after step {session.step}"))
        return _finish(session, say)


def _learn(session: Any, groups: Sequence[Group]) -> dict[str, Any]:
    """Take the step's learning and return its metrics."""
    from agentgym.algorithms.advantages import has_signal
    from agentgym.train.credit import without_stale
    from agentgym.train.learned import Trace, learned_rows

    start = time.perf_counter()
    unscored = sum(e.reward is None for group in groups for e in group.episodes)
    sampled, trace = groups, Trace() if session.config.record_learned else None
    groups, stale = without_stale(groups, session.version, session.config.max_staleness)
    rewards = [e.reward for group in groups for e in group.episodes if e.reward is not None]
    if not rewards:
        reason = groups[0].episodes[0].reason
        raise RunError(
            f"every episode of step {session.step + 1} is unscored ({reason}); nothing was "
            "learned from it: mend the cause and run the same command again"
        )
    with session.clock.phase("learn"):
        weighed = session.learner.weigh(groups)
        stats = session.learner.step(weighed.items, session.step, trace)
    seconds = time.perf_counter() - start
    if trace is not None:
        places = session.places(sampled)
        session.learned.append(learned_rows(places, sampled, weighed, trace))
    signal = [has_signal([e.reward for e in group.episodes]) for group in groups]
    turns = [len(e.turns) for group in groups for e in group.episodes if e.reward is not None]
    return {
        "step": session.step + 1,
        "reward": sum(rewards) / len(rewards),
        "no_signal": 1.0 - sum(signal) / len(signal),
        "unscored": unscored,
        "stale": stale,
        "small": weighed.small,
        "extra_groups": len(groups) - session.config.tasks_per_step,
        "turns": sum(turns) / len(turns),
        **asdict(stats),
        "learn_tokens_per_s": stats.tokens / seconds,
    }


def _sampled(session: Any) -> tuple[list[Group], dict[str, float]]:
    """Sample the step's groups and count what is in them."""
    counts, before = session.counts, session.counts["sampled"]
    start = time.perf_counter()
    groups: list[Group] = session.sample()
    seconds = time.perf_counter() - start
    for episode in (e for group in groups for e in group.episodes):
        counts["scored" if episode.reward is not None else "unscored"] += 1
        for sample in episode.samples:
            sampled = sum(sample.mask)
            counts["sampled"] += sampled
            counts["environment"] += len(sample.ids) - sampled
    return groups, {"sample_tokens_per_s": (counts["sampled"] - before) / seconds}


def _times(session: Any) -> dict[str, float]:
    """Return the run's seconds by phase so far."""
    return {f"{phase}_s": seconds for phase, seconds in session.clock.seconds().items()}


def _line_of(evaluated: Evaluated, when: str) -> str:
    if not evaluated.rewards:
        return f"evaluation {when}: every episode is unscored"
    return f"evaluation {when}: {evaluated.interval().mean:.3f} over {len(evaluated.rewards)} tasks"


def _finish(session: Any, say: Callable[[str], None]) -> Run:
    """Evaluate the trained policy, keep its weights, and sum the run up."""
    config, folder = session.config, session.folder
    summary: dict[str, Any] = {
        "env": config.env,
        "model": config.model,
        "algorithm": config.algorithm,
        "steps": session.step,
        "seed": config.seed,
    }
    if config.eval_tasks:
        after = session.evaluate()
        before = session.evaluations.at(0)
        say(_line_of(after, "after"))
        summary["before"] = before.summary(config.eval_rollouts)
        summary["after"] = after.summary(config.eval_rollouts)
        summary["gain"] = gain(before, after)
    model = folder.file("model")
    session.learner.save_pretrained(model)
    session.tokenizer.save_pretrained(model)
    folder.file("curve.svg").write_text(_curve(session))
    seconds = session.clock.seconds()
    summary["wall_s"] = seconds | {"total": sum(seconds.values())}
    counts = session.counts
    summary["episodes"] = {name: counts[name] for name in ("scored", "unscored")}
    summary["tokens"] = {name: counts[name] for name in ("sampled", "environment")}
    summary["hygiene"] = session.hygiene()
    write_json(folder.file("summary.json"), summary)
    return Run(folder.path, summary)


def _curve(session: Any) -> str:
    """Draw reward by step, and the evaluations on held-out tasks with their intervals."""
    rows = session.metrics.rows()
    marks = [
        (row.step, interval.mean, interval.low, interval.high)
        for row in session.evaluations.read()
        if row.rewards and (interval := row.interval())
    ]
    return curve_svg(
        {"training tasks, as sampled": [(row["step"], row["reward"]) for row in rows]},
        title=f"{session.config.env}, {session.config.algorithm}",
        x_label="optimizer steps",
        y_label="success",
        marks={f"held-out tasks ({session.config.eval_split}), 95% interval": marks},
    )
