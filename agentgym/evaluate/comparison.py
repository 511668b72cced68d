"""What a comparison of two runs has found: figures, a verdict, and how they are written to JSON."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from agentgym.evaluate.diversity import Diversity
from agentgym.evaluate.results import Results
from agentgym.evaluate.statistics import Interval, Paired, bounds

__all__ = ["Compared", "Comparison", "Tested", "Winner"]

Winner = Literal["a", "b"]


@dataclass(frozen=True, slots=True)
class Tested:
    """A difference, paired by task, and whether it is more than chance.

    Attributes:
        difference: The second run less the first, with t interval and t p-value.
        p_sign_flip: The p-value by flips of signs.
        p_holm: The larger of the two p-values, with Holm's correction over the environments.
        level: That Holm's correction begins with: alpha over the number of environments.
        detectable: The least difference that would probably have been shown at that level; None
            where all tasks differ by the same.
    """

    difference: Paired
    p_sign_flip: float
    p_holm: float
    level: float
    detectable: float | None


@dataclass(frozen=True, slots=True)
class Compared:
    """Two runs in one environment.

    Attributes:
        scores: Of each run, over the tasks that both have scored; None where there is none.
        tested: The difference over these tasks; None where there is none.
        only_a: Tasks that the first run alone has scored.
        only_b: Tasks that the second run alone has scored.
        unscored: Episodes without a score, of each run.
        diversity: Distinct solutions of each run; None where its episodes are not kept.
        better: Which run is better, where that is shown.
        verdict: The same in words.
    """

    scores: tuple[Interval, Interval] | None
    tested: Tested | None
    only_a: tuple[str, ...]
    only_b: tuple[str, ...]
    unscored: tuple[int, int]
    diversity: tuple[Diversity | None, Diversity | None] = field(repr=False)
    better: Winner | None
    verdict: str

    def summary(self) -> dict[str, Any]:
        """Return everything as it is written to JSON."""
        tested = self.tested
        gap = tested.difference if tested else None
        varies = tested is not None and tested.detectable is not None
        return {
            "a": self._side(0),
            "b": self._side(1),
            "shared_tasks": gap.tasks if gap else 0,
            "difference": _interval(gap, varies),
            "p_t": gap.p if gap and varies else None,
            "p_sign_flip": tested and tested.p_sign_flip,
            "p_holm": tested and tested.p_holm,
            "minimum_detectable": tested and tested.detectable,
            "only_a": list(self.only_a),
            "only_b": list(self.only_b),
            "better": self.better,
            "verdict": self.verdict,
        }

    def _side(self, which: int) -> dict[str, Any]:
        found = self.diversity[which]
        return {
            "score": _interval(self.scores and self.scores[which]),
            "unscored": self.unscored[which],
            "diversity": found
            and {
                "successes": found.successes,
                "distinct": found.distinct,
                "tasks": found.tasks,
                "differ": _interval(found.differ),
            },
        }


def _interval(found: Interval | Paired | None, known: bool = True) -> dict[str, Any] | None:
    """Return a mean and its interval, if its ends are known."""
    if found is None:
        return None
    return {"mean": found.mean, "interval": bounds(found) if known else None}


@dataclass(frozen=True, slots=True)
class Comparison:
    """Two runs compared.

    Attributes:
        a: The first run.
        b: The second run.
        alpha: Chance of a false finding, over all environments.
        power: How probably a difference of ``detectable`` would have been shown.
        environments: Label to what was found.
        only_a: Environments that the first run alone has.
        only_b: Environments that the second run alone has.
        warnings: What makes the runs hard to compare.
        verdict: Of all environments, in words.
    """

    a: Results
    b: Results
    alpha: float
    power: float
    environments: Mapping[str, Compared]
    only_a: tuple[str, ...]
    only_b: tuple[str, ...]
    warnings: tuple[str, ...]
    verdict: str

    def summary(self) -> dict[str, Any]:
        """Return everything as it is written to JSON."""
        return {
            "a": {"run": self.a.name, "policy": self.a.policy},
            "b": {"run": self.b.name, "policy": self.b.policy},
            "confidence": 1 - self.alpha,
            "alpha": self.alpha,
            "power": self.power,
            "environments": {label: row.summary() for label, row in self.environments.items()},
            "only_a": list(self.only_a),
            "only_b": list(self.only_b),
            "warnings": list(self.warnings),
            "verdict": self.verdict,
        }
