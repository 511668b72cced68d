"""Logs of Inspect AI (``.eval``): one for each environment, in a folder for ``inspect view``.

A log is a zip of JSON: a header, a summary and a file for each sample. The standard library writes
it, so Inspect itself need not be installed. An episode is a sample; siblings are its epochs. A run
has no times of day: those of a log count from when the run was begun, by each turn's seconds.

Left out: token ids and log-probabilities, for which Inspect wants each token's text.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from statistics import fmean, stdev
from typing import Any
from zipfile import ZIP_DEFLATED, ZipFile

from agentgym.evaluate.export.inspect_sample import Place, sample_of, summary_of
from agentgym.evaluate.export.plain import json_bytes
from agentgym.evaluate.export.source import Source, agentgym_version, fresh
from agentgym.evaluate.saved import SavedEpisode

__all__ = ["write_inspect"]

_SCORER = "reward"


def write_inspect(source: Source, out: Path) -> int:
    """Write a log for each environment into a folder; return the number of episodes."""
    logs: dict[str, _Log] = {}
    with ExitStack() as stack:
        for saved in source.episodes(with_samples=False):
            if saved.env not in logs:
                path = out / f"{_file_name(saved.env, len(logs))}.eval"
                logs[saved.env] = _Log(source, saved.env, stack.enter_context(_zip(path)))
            logs[saved.env].add(saved)
        for log in logs.values():
            log.finish()
    return sum(len(log.summaries) for log in logs.values())


@contextmanager
def _zip(path: Path) -> Iterator[ZipFile]:
    with fresh(path) as file, ZipFile(file, "w", ZIP_DEFLATED) as archive:
        yield archive


def _file_name(env: str, number: int) -> str:
    """Return a name that any file system takes; the number tells environments apart."""
    name = re.sub(r"[^A-Za-z0-9._-]+", "-", env).strip("-.")[:80]
    return f"{number:02}-{name}"


def _digest(*parts: object) -> str:
    return hashlib.sha256("\0".join(map(repr, parts)).encode()).hexdigest()[:22]


@dataclass(slots=True)
class _Log:
    """A log in the making."""

    source: Source
    env: str
    file: ZipFile
    summaries: list[dict[str, Any]] = field(default_factory=list)
    places: set[tuple[str, int]] = field(default_factory=set)
    scores: dict[str, list[float]] = field(default_factory=dict)
    epochs: int = 1
    input_tokens: int = 0
    output_tokens: int = 0

    def add(self, saved: SavedEpisode) -> None:
        episode, place, source = saved.episode, self._place(saved), self.source
        tools = source.tools.get(self.env, ())
        sample = sample_of(saved, place, source.task(saved), source.model, tools)
        self.file.writestr(f"samples/{place.id}_epoch_{place.epoch}.json", json_bytes(sample))
        self.summaries.append(summary_of(sample))
        self.scores.setdefault(place.id, [])
        if episode.reward is not None:
            self.scores[place.id].append(episode.reward)
        self.epochs = max(self.epochs, place.epoch)
        self.input_tokens += sum(turn.prompt_tokens for turn in episode.turns)
        self.output_tokens += sum(turn.sampled_tokens for turn in episode.turns)

    def _place(self, saved: SavedEpisode) -> Place:
        """Return the sample's id and epoch, which no other sample of the log has."""
        name = saved.episode.task_id
        if self.source.run.kind == "train":
            name = f"{name} (step {saved.step})"
        printable = "".join(char if char.isprintable() else "\ufffd" for char in name)
        if printable != name or len(name) > 200:  # it is the name of a file in the zip, too
            printable = f"{printable[:200]}-{_digest(name)[:6]}"
        epoch = saved.episode.index + 1
        while (printable, epoch) in self.places:
            epoch += 1
        self.places.add((printable, epoch))
        uuid = _digest(self.source.run.name, self.env, printable, epoch)
        return Place(printable, epoch, uuid, self._began)

    @property
    def _began(self) -> datetime:
        return _modified(self.source.run.path / "config.json")

    def finish(self) -> None:
        """Write what stands above the samples."""
        spec, plan = self._spec(), {"name": "plan", "steps": [{"solver": "agentgym", "params": {}}]}
        start = {"version": 2, "eval": spec, "plan": plan}
        means = {name: fmean(scores) for name, scores in self.scores.items() if scores}
        self.file.writestr("_journal/start.json", json_bytes(start))
        self.file.writestr("summaries.json", json_bytes(self.summaries))
        self.file.writestr("reductions.json", json_bytes(_reductions(means)))
        ended = self.source.run.summary() is not None
        header = {
            "version": 2,
            "status": "success" if ended else "started",
            "eval": spec,
            "plan": plan,
            "results": self._results(means),
            "stats": {
                "started_at": self._began.isoformat(),
                "completed_at": self._completed.isoformat(),
                "model_usage": {self.source.model: self._usage()},
            },
        }
        self.file.writestr("header.json", json_bytes(header))

    @property
    def _completed(self) -> datetime:
        return _modified(self.source.run.path / "episodes.jsonl")

    def _usage(self) -> dict[str, int]:
        read, wrote = self.input_tokens, self.output_tokens
        return {"input_tokens": read, "output_tokens": wrote, "total_tokens": read + wrote}

    def _spec(self) -> dict[str, Any]:
        run = self.source.run
        return {
            "eval_id": _digest("eval", run.name, self.env),
            "run_id": _digest("run", run.name),
            "task_id": _digest("task", self.env),
            "created": self._began.isoformat(),
            "task": self.env,
            "dataset": {
                "name": self.env,
                "samples": len(self.scores),
                "sample_ids": list(self.scores),
                "shuffled": False,
            },
            "model": self.source.model,
            "config": {"epochs": self.epochs, "epochs_reducer": ["mean"]},
            "packages": {"agentgym-rl": agentgym_version()},
            "metadata": {"run": run.name, "kind": run.kind},
            "scorers": [{"name": _SCORER}],
        }

    def _results(self, means: Mapping[str, float]) -> dict[str, Any]:
        scored = sum(map(len, self.scores.values()))
        metrics = {"mean": fmean(means.values())} if means else {}
        if len(means) > 1:  # the task is the cluster: rollouts of one resemble each other
            metrics["stderr"] = stdev(means.values()) / len(means) ** 0.5
        return {
            "total_samples": len(self.summaries),
            "completed_samples": scored,
            "scores": [
                {
                    "name": _SCORER,
                    "scorer": _SCORER,
                    "reducer": "mean",
                    "scored_samples": scored,
                    "unscored_samples": len(self.summaries) - scored,
                    "metrics": {
                        name: {"name": name, "value": value} for name, value in metrics.items()
                    },
                }
            ],
        }


def _reductions(means: Mapping[str, float]) -> list[dict[str, Any]]:
    samples = [{"sample_id": name, "value": value} for name, value in means.items()]
    return [{"scorer": _SCORER, "reducer": "mean", "samples": samples}]


def _modified(path: Path) -> datetime:
    return datetime.fromtimestamp(path.stat().st_mtime, UTC)
