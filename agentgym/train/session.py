"""What a run owns while it runs: model, learner, sampler, and the files that it appends to."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any

from agentgym.algorithms.advantages import has_signal
from agentgym.evaluate.saved import open_run
from agentgym.evaluate.tasklog import TaskLog, saved_task
from agentgym.policy import samplers
from agentgym.policy.background import BackgroundLoop
from agentgym.policy.pretrained import load_model, load_tokenizer
from agentgym.policy.threaded import ThreadedPolicy
from agentgym.rollout.attempts import Attempts
from agentgym.rollout.ledger import Ledger
from agentgym.rollout.pool import EnvPool
from agentgym.rollout.runner import group_seed, rollout, task_ids
from agentgym.rollout.spec import EnvSpec, EpisodeLimits
from agentgym.train import checkpoint, hygiene, weights
from agentgym.train.asynchronous import Ahead, taken_up
from agentgym.train.clock import Clock
from agentgym.train.config import TrainConfig
from agentgym.train.evaluations import Evaluated, EvaluationLog
from agentgym.train.folder import RunFolder
from agentgym.train.learned import LearnedLog
from agentgym.train.learner import Learner
from agentgym.train.lora import load_adapter
from agentgym.train.metrics import MetricsLog
from agentgym.train.schedule import Schedule
from agentgym.types import Group, SamplingParams

__all__ = ["Session"]


@dataclass(slots=True)
class Session:
    """Everything between the settings and the loop; `open` makes it, leaving it frees all."""

    config: TrainConfig
    folder: RunFolder
    learner: Learner
    tokenizer: Any
    sampler: Any
    ledger: Ledger
    metrics: MetricsLog
    evaluations: EvaluationLog
    learned: LearnedLog
    played: TaskLog
    core: Any  # an environment that is never reset: it knows the tasks
    schedule: Schedule
    train_tasks: list[str]
    eval_tasks: list[str]
    envs: EnvPool
    clock: Clock
    step: int
    counts: dict[str, int]
    further: Schedule  # tasks of dynamic sampling's rounds
    version: int = 0  # of the weights that the sampler has
    sampled: list[Group] = field(default_factory=list)  # already, for the next step, by a dead run
    ahead: Ahead | None = None  # samples while the learner steps, where that is asked for

    @classmethod
    def open(
        cls, config: TrainConfig, folder: RunFolder, stack: ExitStack, say: Callable[[str], None]
    ) -> Session:
        """Load or resume all that a run needs.

        Raises:
            UsageError: If the environment, the model or the engine cannot be as asked.
            WeightSyncError: If the sampler does not take the weights.
        """
        clock = Clock()
        core = _core(config, stack)
        train_ids, eval_ids = _tasks(config)
        found = checkpoint.newest(folder.checkpoints)
        hygiene.check(config, core, train_ids, eval_ids, say, begun=found is not None)
        adapted = config.lora_rank is not None  # then a checkpoint holds the adapter alone
        source = str(found.model) if found and not adapted else _model_source(config, say)
        tokenizer = load_tokenizer(source)
        fresh = source if found is None else None
        learner = _learner(config, source, lambda: fresh or _model_source(config, say))
        if found and adapted:
            load_adapter(learner.model, found.model)
        say(f"starting the sampler ({config.sampler})")
        sampler = _sampler(config, source)
        stack.callback(sampler.close)
        ledger = stack.enter_context(Ledger(folder.file("episodes.jsonl")))
        metrics = MetricsLog(folder.file("metrics.jsonl"))
        stack.callback(metrics.close)
        session = cls(
            config=config,
            folder=folder,
            learner=learner,
            tokenizer=tokenizer,
            sampler=sampler,
            ledger=ledger,
            metrics=metrics,
            evaluations=EvaluationLog(folder.file("evaluations.jsonl")),
            learned=LearnedLog(folder.file("learned.jsonl")),
            played=TaskLog(folder.file("tasks.jsonl")),
            core=core,
            schedule=Schedule(train_ids, config.tasks_per_step, config.seed),
            train_tasks=train_ids,
            eval_tasks=eval_ids,
            envs=stack.enter_context(EnvPool(config.env_processes)),
            clock=clock,
            step=0,
            counts=dict.fromkeys(("scored", "unscored", "sampled", "environment"), 0),
            further=Schedule(train_ids, config.tasks_per_step, config.seed + hygiene.FURTHER),
        )
        session._restore(found, say)
        if config.mode == "async":
            session._sample_ahead(found, stack)
        with clock.phase("sync"):
            session.push()
        return session

    def _restore(self, found: checkpoint.Checkpoint | None, say: Callable[[str], None]) -> None:
        """Set every position to that of the checkpoint, or to the beginning."""
        import torch

        torch.manual_seed(self.config.seed)
        if found is None:
            self.metrics.truncate_to(0)
            self.learned.rewind(0)
        else:
            self.step = found.step
            self.counts = dict(found.counts)
            self.clock.__init__(found.clock)  # type: ignore[misc]
            self.learner.optimizer.load_state_dict(found.optimizer)
            self.learner.load_state(found.learner)
            torch.set_rng_state(found.random["cpu"])
            self.metrics.truncate_to(found.metrics_bytes)
            self.learned.rewind(found.learned_bytes)
            say(f"going on after step {found.step}")
        kept = [row for row in self.evaluations.read() if row.step <= self.step]
        self.evaluations.keep(kept)
        if self.config.mode == "async":
            return  # `_sample_ahead` takes from the ledger what it can use
        # What is sampled together decides the last bits: a part of a step is of no use then.
        least = self.config.tasks_per_step if self._deterministic else 0
        if self.learner.algorithm.dynamic_sampling:
            least = sys.maxsize  # how many groups the step was to have, only its whole story says
        groups = self.ledger.rewind(self.step, self.config.group_size, least)
        current = set(self.schedule.tasks(self.step))
        self.sampled = [group for group in groups if group.task_id in current]

    def _sample_ahead(self, found: checkpoint.Checkpoint | None, stack: ExitStack) -> None:
        """Move the sampler to a thread of its own, where it samples beside the learner."""
        config = self.config
        loop = BackgroundLoop("agentgym-sampler")
        stack.callback(loop.close)
        attempts = Attempts(
            self.sampler,
            EnvSpec(config.env, {"split": config.split, **config.env_kwargs}),
            SamplingParams(config.turn_tokens, config.temperature),
            _limits(config),
            config.retries,
            envs=EnvPool(config.env_processes),  # beside those of the evaluations
        )
        self.sampler = ThreadedPolicy(self.sampler, loop)
        launches = found.launches if found else {}
        begin = taken_up(config, self.ledger, self.step, launches)
        cuts = self.folder.file("cut.jsonl")
        ahead = Ahead(config, self.schedule, attempts, loop, self.ledger, cuts, begin)
        self.ahead = stack.enter_context(ahead)

    @property
    def _deterministic(self) -> bool:
        """Whether sampling repeats: as asked, else on a CPU, where it costs a tenth."""
        if self.config.mode == "async":
            return False
        asked = self.config.deterministic
        on_cpu = self.learner.device.type == "cpu"
        return on_cpu and self.config.samples_here if asked is None else asked

    def push(self) -> float:
        """Push the learner's weights to the sampler, verified; return the gap in nats."""
        gap = weights.push(self.learner, self.sampler, self.step, self.config.probe_tolerance)
        self.version = self.step
        return gap

    def pushed(self, updated: bool) -> float:
        """Push after a step, where there is something new; return the gap in nats.

        Where sampling is ahead, each step has a version of its own, whether it changed anything.
        """
        gap = self.push() if updated or self.ahead else 0.0
        if self.ahead is not None:
            self.ahead.advance()
        return gap

    def report(self) -> dict[str, Any]:
        """Return further metrics of the step: how old its groups are, where sampling is ahead."""
        return {} if self.ahead is None else self.ahead.report()

    def sample(self) -> list[Group]:
        """Return the groups of the current step, sampled now or kept from before a crash.

        With dynamic sampling further groups follow, in a bounded number of rounds, until as many
        have a signal as were asked for.

        Source: Yu et al. 2025, "DAPO", section 3.2.
        """
        if self.ahead is not None:
            with self.clock.phase("sample"):
                taken = self.ahead.take()
            self._note([group.task_id for group in taken])
            return taken
        groups = self._sampled_or_kept()
        rounds = self.learner.algorithm.dynamic_sampling
        for number in range(rounds):
            signals = sum(has_signal([e.reward for e in group.episodes]) for group in groups)
            missing = self.config.tasks_per_step - signals
            if missing <= 0:
                break
            tasks = self.further.tasks(self.step * rounds + number)[:missing]
            groups += self._recorded(tasks, f"step {self.step} round {number + 1}")
        return groups

    def _sampled_or_kept(self) -> list[Group]:
        wanted = self.schedule.tasks(self.step)
        have: dict[str, list[Group]] = {}
        for group in self.sampled:  # a task may come twice in a step, where there are few
            have.setdefault(group.task_id, []).append(group)
        self.sampled = []
        kept = [have[task].pop(0) if have.get(task) else None for task in wanted]
        missing = [task for task, group in zip(wanted, kept, strict=True) if group is None]
        fresh = iter(self._recorded(missing, f"step {self.step}"))
        return [next(fresh) if group is None else group for group in kept]

    def _recorded(self, tasks: Sequence[str], occasion: str) -> list[Group]:
        """Sample groups of these tasks into the ledger."""
        finished: dict[str, list[Group]] = {}

        def record(group: Group) -> None:
            self.ledger.append(self.step, group)
            finished.setdefault(group.task_id, []).append(group)

        self._note(tasks)
        seed = group_seed(self.config.seed, occasion)
        self._rollout(tasks, self.config.group_size, self.config.split, seed, record)
        # A task that comes twice: its groups as the ledger has them, for that is what a resumed
        # run goes by.
        return [finished[task].pop(0) for task in tasks]

    def _note(self, tasks: Sequence[str]) -> None:
        """Put tasks on record that are played."""
        env = self.config.env
        missing = self.played.missing(env, tasks)
        self.played.record(env, [saved_task(env, self.core, each) for each in missing])

    def places(self, groups: Sequence[Group]) -> list[dict[str, int]]:
        """Return where the step's groups, just sampled, stand in the ledger."""
        return [{"step": self.step}] * len(groups) if self.ahead is None else self.ahead.places()

    def hygiene(self) -> dict[str, Any]:
        """Return what of the played evaluation tasks was trained on."""
        tasks = open_run(self.folder.path).tasks()
        played = {task.id: task for (env, _), task in tasks.items() if env == self.config.env}
        found = hygiene.of_played(played, self.config, self.train_tasks, self.eval_tasks)
        return found.summary()

    def evaluate(self) -> Evaluated:
        """Sample the evaluation tasks with the current weights and keep the result."""
        known = self.evaluations.at(self.step)
        if known is not None:
            return known
        self._note(self.eval_tasks)
        groups = self._rollout(
            self.eval_tasks,
            self.config.eval_rollouts,
            self.config.eval_split,
            group_seed(self.config.seed, "evaluation"),  # each the same worlds: gains are paired
            None,
        )
        self.sampler.forget()  # leave no trace in what is sampled next
        result = Evaluated.of(self.step, groups)
        self.evaluations.keep([*self.evaluations.read(), result])
        return result

    def _rollout(
        self,
        tasks: Sequence[str],
        group_size: int,
        split: str,
        seed: int,
        on_group: Callable[[Group], None] | None,
    ) -> list[Group]:
        config = self.config
        busy = self.sampler.busy_s
        with self.clock.phase("environment"):
            groups = rollout(
                self.sampler,
                EnvSpec(config.env, config.env_kwargs),
                tasks,
                group_size,
                split=split,
                sampling=SamplingParams(config.turn_tokens, config.temperature),
                limits=_limits(config),
                concurrency=config.concurrency,
                retries=config.retries,
                seed=seed,
                deterministic=self._deterministic,
                on_group=on_group,
                envs=self.envs,
            )
        # What of the rollout the engine was not busy with is time that environments did not hide.
        self.clock.move(self.sampler.busy_s - busy, "environment", "sample")
        return groups

    def save(self) -> None:
        """Write a checkpoint of this moment."""
        import torch

        self.ledger.sync()
        self.metrics.sync()
        self.learned.sync()
        state = checkpoint.Checkpoint(
            step=self.step,
            model=self.folder.checkpoints,
            optimizer=self.learner.optimizer.state_dict(),
            random={"cpu": torch.get_rng_state()},
            metrics_bytes=self.metrics.position(),
            learned_bytes=self.learned.position(),
            clock=self.clock.seconds(),
            counts=self.counts,
            learner=self.learner.state(),
            launches={} if self.ahead is None else self.ahead.position(),
        )
        checkpoint.save(
            self.folder.checkpoints,
            state,
            self.learner.checkpointed(),
            self.tokenizer,
            keep=self.config.keep_checkpoints,
        )


def _limits(config: TrainConfig) -> EpisodeLimits:
    return EpisodeLimits(
        config.max_turns, config.context, config.episode_timeout_s, config.env_timeout_s
    )


def _core(config: TrainConfig, stack: ExitStack) -> Any:
    """Return an environment to ask for tasks; it is closed with the run."""
    from agentgym.registry import make

    made: Any = make(config.env, **config.env_kwargs)
    stack.callback(made.close)
    return made.unwrapped


def _tasks(config: TrainConfig) -> tuple[list[str], list[str]]:
    spec = EnvSpec(config.env, config.env_kwargs)
    train_ids = task_ids(spec, config.split)
    if not config.eval_tasks:
        return train_ids, []
    return train_ids, task_ids(spec, config.eval_split, config.eval_tasks)


def _model_source(config: TrainConfig, say: Callable[[str], None]) -> str:
    if config.model != "starter":
        return config.model
    from agentgym.train.starter import StarterRecipe, ensure_starter

    recipe = StarterRecipe(env=config.env, env_kwargs=config.env_kwargs)
    return str(ensure_starter(recipe, say))


def _learner(config: TrainConfig, source: str, begun_from: Callable[[], str]) -> Learner:
    """Load the learner; its reference, if it has one, is the model that the run began from."""
    import torch

    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    reference = None
    if config.parts.kl != "none":
        reference = load_model(begun_from(), torch.float32)
    return Learner(load_model(source, torch.float32), config, device, reference)


def _sampler(config: TrainConfig, source: str) -> Any:
    return samplers.sampler(
        config.sampler,
        source,
        context=config.context,
        concurrency=config.concurrency,
        seed=config.seed,
        gpu_memory=config.gpu_memory,
        weights_folder=config.weights_folder,
    )
