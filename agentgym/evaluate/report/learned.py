"""What the gradient saw of a run's episodes: in full of those with a page, in short of all."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence

from agentgym.evaluate.report.catalogue import Entry
from agentgym.evaluate.report.gradient import LearnedRow, mean_advantage
from agentgym.evaluate.saved import SavedRun

__all__ = ["Learned"]


class Learned:
    """The rows of ``learned.jsonl``, joined with the episodes that they are about.

    Args:
        run: The folder.
        entries: All of its episodes.
        paged: Numbers of those that get a page.

    Attributes:
        rows: By number of an episode and of its sample.
        advantages: Mean advantage, by number of an episode.
        dropped: Why nothing was learned from it, by number of an episode.
    """

    def __init__(self, run: SavedRun, entries: Sequence[Entry], paged: set[int]) -> None:
        numbers: dict[tuple[int, str, int], list[int]] = defaultdict(list)
        for entry in entries:
            numbers[entry.step, entry.task_id, entry.index].append(entry.number)
        times: Counter[tuple[int, str, int, int]] = Counter()
        self.rows: dict[tuple[int, int], LearnedRow] = {}
        self.advantages: dict[int, float | None] = {}
        self.dropped: dict[int, str] = {}
        for row in run.learned():
            key = row["step"], row["task_id"], row["index"]
            time_of = times[*key, row["sample"]]  # a task may come twice in a step, in order
            times[*key, row["sample"]] += 1
            if time_of >= len(numbers.get(key, ())):
                continue
            number = numbers[key][time_of]
            self.advantages.setdefault(number, mean_advantage(row))
            if row["dropped"]:
                self.dropped.setdefault(number, str(row["dropped"]))
            if number in paged:
                self.rows[number, row["sample"]] = row

    def of(self, number: int, samples: int) -> list[LearnedRow | None]:
        """Return an episode's rows, one a sample."""
        return [self.rows.get((number, sample)) for sample in range(samples)]
