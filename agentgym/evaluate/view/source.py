"""What is known of a run so far, read on as it grows. Nothing here needs a terminal."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from itertools import islice
from typing import Any

from agentgym.errors import RunError
from agentgym.evaluate.report.catalogue import Entry, Groups, entry_of
from agentgym.evaluate.report.vocabulary import vocabulary
from agentgym.evaluate.saved import SavedEpisode, SavedRun, SavedTask
from agentgym.types import Episode

__all__ = ["Source"]

_Key = tuple[int, str, int]  # step, task, index


class Source:
    """A run that may be growing: a line an episode in memory, all else read when asked for.

    One thread at a time may read on; whoever shows what was read may do so meanwhile.

    Args:
        run: The run.
    """

    def __init__(self, run: SavedRun) -> None:
        self.run = run
        self.entries: list[Entry] = []
        self._begin()
        self._learned = _Learned(run)
        self._tasks: dict[tuple[str, str], SavedTask] = {}
        self._tasks_size = -1
        self._texts: dict[int, str] = {}

    def _begin(self) -> None:
        self.entries = []  # another list: whoever shows the old one is not disturbed
        self._groups = Groups()
        self._end = 0
        self._file = 0
        self._times: Counter[_Key] = Counter()
        self._time_of: list[int] = []

    def read_on(self, most: int = 500) -> int:
        """Read further episodes, at most so many; return how many there were.

        A run that was taken up from an earlier step has another file, which is read from its
        beginning: `entries` is then another list.

        Raises:
            RunError: If a line cannot be read.
        """
        path = self.run.path / "episodes.jsonl"
        if not path.exists():
            return 0
        state = path.stat()
        if self.entries and (state.st_ino != self._file or state.st_size < self._end):
            self._begin()
        self._file = state.st_ino
        count = 0
        for glance in islice(self.run.glances(self._end), most):
            entry = entry_of(len(self.entries), glance, self._groups)
            key = (entry.step, entry.task_id, entry.index)
            self._time_of.append(self._times[key])
            self._times[key] += 1
            self.entries.append(entry)
            self._end = glance.end
            count += 1
        return count

    def episode(self, entry: Entry) -> SavedEpisode:
        """Return a whole episode.

        Raises:
            RunError: If the run was taken up from an earlier step, and it is there no more.
        """
        found = self.run.episode_at(entry.place)
        if (found.episode.task_id, found.episode.index) != (entry.task_id, entry.index):
            raise RunError(f"episode {entry.number} is not there any more; wait for the next look")
        return found

    def siblings(self, entry: Entry) -> list[Entry]:
        """Return the episodes of a group, in the order of their numbers in it."""
        return sorted((e for e in self.entries if e.group == entry.group), key=lambda e: e.index)

    def task(self, entry: Entry) -> SavedTask | None:
        """Return what was asked and expected, where that is on record."""
        path = self.run.path / "tasks.jsonl"
        size = path.stat().st_size if path.exists() else 0
        if size != self._tasks_size:
            self._tasks, self._tasks_size = self.run.tasks(), size
        return self._tasks.get((entry.env, entry.task_id))

    def learned(self, entry: Entry) -> dict[int, dict[str, Any]]:
        """Return what the gradient saw, by the number of a sample; empty where nothing is known."""
        if entry.number >= len(self._time_of):  # of a file that is no more
            return {}
        key = (entry.step, entry.task_id, entry.index)
        return self._learned.rows(key, self._time_of[entry.number])

    def texts(self, episode: Episode) -> Mapping[int, str]:
        """Return the texts of an episode's tokens, as far as a tokenizer is found."""
        ids = {token for sample in episode.samples for token in sample.ids}
        if not ids <= self._texts.keys():
            self._texts |= vocabulary(self.run, ids)
        return self._texts

    def finished(self) -> bool:
        """Tell whether the run has reached an end."""
        return (self.run.path / "summary.json").exists()

    def holding(self, text: str) -> Iterator[int]:
        """Yield the numbers of the episodes that hold a text, but for its case."""
        wanted = text.casefold()
        for number, glance in enumerate(self.run.glances()):
            if any(wanted in each.casefold() for each in _texts_of(glance.saved.episode)):
                yield number


def _texts_of(episode: Episode) -> Iterator[str]:
    yield from (episode.task_id, episode.reason)
    for message in episode.messages:
        yield message.content
    if episode.verdict is not None:
        yield from (rule.reason for rule in episode.verdict.rules)


class _Learned:
    """Where the rows of ``learned.jsonl`` begin, read on as the file grows."""

    def __init__(self, run: SavedRun) -> None:
        self._path = run.path / "learned.jsonl"
        self._begin()

    def _begin(self) -> None:
        self._end = 0
        self._places: dict[_Key, list[dict[int, int]]] = {}

    def rows(self, key: _Key, time: int) -> dict[int, dict[str, Any]]:
        """Return the rows of an episode by sample.

        Args:
            key: Its step, task and index.
            time: How many of that key were before it.
        """
        if not self._path.exists():
            return {}
        if self._path.stat().st_size < self._end:
            self._begin()
        with self._path.open("rb") as file:
            self._read_on(file)
            found = self._places.get(key, [])
            rows = {}
            for sample, place in (found[time] if time < len(found) else {}).items():
                file.seek(place)
                rows[sample] = json.loads(file.readline())
        return rows

    def _read_on(self, file: Any) -> None:
        file.seek(self._end)
        for line in file:
            if not line.endswith(b"\n"):
                return
            row = _head(line)
            rows = self._places.setdefault((row["step"], row["task_id"], row["index"]), [])
            if row["sample"] == 0 or not rows:
                rows.append({})
            rows[-1][row["sample"]] = self._end
            self._end += len(line)


def _head(line: bytes) -> dict[str, Any]:
    """Return what tells whose a row is; the numbers behind it are most of it."""
    # In a JSON string a quotation mark has a backslash before it: no text can hold this.
    before, mark, _ = line.partition(b'"dropped"')
    row: dict[str, Any] = json.loads(before.rstrip(b", ") + b"}" if mark else line)
    return row
