"""An evaluation with a run folder: the same command on it finishes what was interrupted.

    config.json     the settings, and what they came to: environments, weights
    episodes.jsonl  one whole episode a line, with the label of its environment
    tasks.jsonl     each task: what was asked, and what was expected
    usage.jsonl     what an endpoint charged for each episode, unscored ones included
    summary.json    the figures, once the run has come to an end

Nothing is played twice that was scored; unscored episodes are played again.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console

from agentgym.blocking import wait_for
from agentgym.errors import ConfigError
from agentgym.evaluate.config import FREE, EvalConfig, EvalSettings
from agentgym.evaluate.display import shown
from agentgym.evaluate.evaluation import Evaluation, counted
from agentgym.evaluate.outcomes import Outcome
from agentgym.evaluate.plan import Planned, asked_for, planned
from agentgym.evaluate.player import Player, Stage
from agentgym.evaluate.prices import Price, price_of
from agentgym.evaluate.progress import Progress
from agentgym.evaluate.record import Record
from agentgym.evaluate.saved import open_run
from agentgym.evaluate.suites import SuiteEntry
from agentgym.evaluate.tasklog import TaskLog
from agentgym.policy.base import Policy
from agentgym.policy.fingerprint import fingerprint
from agentgym.policy.resolve import model_folder, policy_maker, resolve
from agentgym.policy.usage import Usage
from agentgym.rollout.attempts import Attempts
from agentgym.rollout.episode import Job
from agentgym.rollout.pool import EnvPool
from agentgym.rollout.spec import EpisodeLimits
from agentgym.train.folder import RunFolder, write_json
from agentgym.types import Episode, SamplingParams

__all__ = ["EvalRun", "evaluate_run"]

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class EvalRun:
    """What came of it.

    Attributes:
        path: The run folder.
        summary: As in ``summary.json``.
        played: Episodes that were played now; none where the run was finished before.
    """

    path: Path
    summary: Mapping[str, Any]
    played: int

    @property
    def unscored(self) -> float:
        """Share of episodes that are unscored, of those that were played."""
        blocks = self.summary["environments"].values()
        errors = sum(int(block["errors"]) for block in blocks)
        return errors / max(1, errors + sum(int(block["scored"]) for block in blocks))


def evaluate_run(
    config: EvalConfig,
    policy: Policy | None = None,
    *,
    say: Say = lambda _: None,
    console: Console | None = None,
) -> EvalRun:
    """Play what is missing of an evaluation, and count.

    Args:
        config: What to evaluate, and how.
        policy: Who acts; None makes the one that ``config`` names, if anything is to be played.
        say: Called with a line about what is on record already.
        console: Where the progress is shown; None shows nothing.

    Raises:
        UsageError: If a suite, an environment, a price or the policy cannot be as asked.
        RunError: If the folder is in use, or belongs to a run with other settings.
    """
    entries = asked_for(config)
    price = _price(config)
    if policy is None:
        policy_maker(config.policy)  # a misspelt name is told before there is a folder
    settings = _settings(config, entries, None if policy else model_folder(config.policy, say))
    with RunFolder(settings, FREE) as folder, Record(folder.path) as record:
        if not record.scored and not record.lost:
            folder.file("tasks.jsonl").unlink(missing_ok=True)  # of a run that came to nothing
        log = TaskLog(folder.file("tasks.jsonl"))
        plan = planned(entries, record, log, open_run(folder.path).tasks())
        run = _Run(config, plan, record, price)
        if run.before:
            say(run.taken_up(folder.path))
        if run.todo and not run.is_spent():
            with contextlib.ExitStack() as stack:
                if policy is None:
                    policy = stack.enter_context(contextlib.closing(resolve(config.policy)))
                folder.file("summary.json").unlink(missing_ok=True)  # soon it is not true any more
                run.play(policy, console)
        summary = run.summary()
        record.sync()
        write_json(folder.file("summary.json"), summary)
        return EvalRun(folder.path, summary, run.played)


def _price(config: EvalConfig) -> Price | None:
    if config.prices is not None:
        return price_of(config.policy, config.prices)
    if config.max_cost is not None:
        raise ConfigError("--max-cost needs --prices FILE, which says what tokens cost")
    return None


def _settings(
    config: EvalConfig, entries: Mapping[str, SuiteEntry], folder: Path | None
) -> EvalSettings:
    """Return the settings with what they came to."""
    return EvalSettings(
        **dict(config),
        weights="" if folder is None else fingerprint(folder),
        environments={
            label: {"env": entry.env, "kwargs": dict(entry.kwargs), "split": entry.split}
            for label, entry in entries.items()
        },
        sizes={
            label: {"tasks": entry.tasks, "rollouts": entry.rollouts}
            for label, entry in entries.items()
        },
    )


class _Run:
    """An evaluation under way: what is asked for, what is on record, what is left."""

    def __init__(
        self, config: EvalConfig, plan: list[Planned], record: Record, price: Price | None
    ) -> None:
        self._config = config
        self._plan = plan
        self._record = record
        self._price = price
        self._progress = Progress()
        self._errors: dict[str, list[Outcome]] = {each.stage.label: [] for each in plan}
        self.before = sum(len(self._scored(each.stage.label)) for each in plan)
        self.todo = sum(len(each.left) for each in plan)
        self.played = 0
        for each in plan:
            label = each.stage.label
            scored = self._scored(label)
            spent_s = record.elapsed_s.get(label, 0.0)
            self._progress.add(label, len(scored) + len(each.left), scored.values(), spent_s)

    def _scored(self, label: str) -> dict[tuple[str, int], Outcome]:
        return self._record.scored.get(label, {})

    def taken_up(self, path: Path) -> str:
        """Return a line about what is there and what is to be done."""
        if not self.todo:
            return f"the run in '{path}' is finished; nothing is left to play"
        return f"going on in '{path}': {self.before} episodes are on record, {self.todo} to play"

    def play(self, policy: Policy, console: Console | None) -> None:
        """Play what is left."""
        config = self._config
        sampling = SamplingParams(config.max_tokens, config.temperature)
        limits, retries = _limits(config), config.retries
        with EnvPool(config.env_processes) as envs:
            attempts = {
                each.stage.label: Attempts(
                    policy, each.stage.env, sampling, limits, retries, envs=envs
                )
                for each in self._plan
            }
            self._player = Player(attempts, self._progress.began, self._ended, config.concurrency)
            for each in self._plan:
                self._player.add(each.stage.label, each.left, config.seed)
            wait_for(self._watched(console))

    async def _watched(self, console: Console | None) -> None:
        if console is None:
            await self._player.run()
            return
        async with shown(self._progress, console, self.cost):
            await self._player.run()

    def _ended(self, label: str, job: Job, episode: Episode, used: Usage) -> None:
        """Put an episode on record; stop where the money is spent."""
        outcome = Outcome.of(episode)
        sampled = used.sampled_tokens if used.requests else outcome.sampled_tokens
        self._progress.ended(label, outcome, sampled)
        self._record.append(label, episode, used, self._progress.spent_s(label))
        self.played += 1
        if outcome.reward is None:
            self._errors[label].append(outcome)
        if self.is_spent():
            self._player.stop()

    def is_spent(self) -> bool:
        """Tell whether the run has cost what it may."""
        most, cost = self._config.max_cost, self.cost()
        return most is not None and cost is not None and cost >= most

    def cost(self) -> float | None:
        """Return what the run has cost so far, in dollars; None where no prices are known."""
        if self._price is None:
            return None
        tokens = [self._record.tokens(each.stage.label) for each in self._plan]
        return sum(self._price.of(*counts) for counts in tokens)

    def summary(self) -> dict[str, Any]:
        """Return what is written as ``summary.json``."""
        blocks = {each.stage.label: self._evaluation(each.stage) for each in self._plan}
        only = next(iter(blocks.values())).summary() if len(blocks) == 1 else {}
        return {
            **only,
            "policy": self._config.policy,
            "finished": self.played == self.todo,
            "cost_usd": self.cost(),
            "environments": {label: block.block() for label, block in blocks.items()},
        }

    def _evaluation(self, stage: Stage) -> Evaluation:
        outcomes = [*self._scored(stage.label).values(), *self._errors[stage.label]]
        most = max((outcome.index + 1 for outcome in outcomes), default=0)
        return counted(
            outcomes,
            env=stage.env.id,
            policy=self._config.policy,
            split=stage.split,
            rollouts=max(stage.rollouts, most),
            wall_s=self._progress.spent_s(stage.label),
            tokens=self._record.tokens(stage.label),
        )


def _limits(config: EvalConfig) -> EpisodeLimits:
    return EpisodeLimits(
        turns=config.max_turns,
        context=config.context,
        wall_s=config.episode_timeout_s,
        tokens=config.max_episode_tokens,
    )
