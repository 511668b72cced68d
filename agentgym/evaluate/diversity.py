"""How many different solutions a policy finds: of 98 successes, how many are distinct.

Training that makes a policy surer of one way leaves the score as it is and takes away the others,
so a score alone does not show it.
"""

from __future__ import annotations

import hashlib
import io
import json
import math
import tokenize
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from agentgym.chat.toolcalls import parse
from agentgym.evaluate.statistics import SOLVED, Interval, score_interval
from agentgym.types import Episode, ToolCall

__all__ = ["Diversity", "distinct_among", "diversity", "solution", "solutions"]

Counts = Mapping[str, Mapping[str, int]]
"""Task to solution to how many of its successful episodes have it."""

_CODE = "code"  # the argument that holds Python, as in the tool ``python``
_LAYOUT = {
    tokenize.COMMENT: "",
    tokenize.NL: "",
    tokenize.ENDMARKER: "",
    tokenize.NEWLINE: "\n",
    tokenize.INDENT: "{",
    tokenize.DEDENT: "}",
}


@dataclass(frozen=True, slots=True)
class Diversity:
    """The distinct solutions among successes.

    Attributes:
        successes: Episodes that were solved.
        distinct: Their different solutions; those of different tasks are different.
        tasks: Tasks that were solved at least once.
        differ: The chance that two successes of one task differ, the mean over tasks that have
            two, with its interval; None where no task has two. Unlike ``distinct``, it does not
            grow with the number of successes, so policies of different strength can be compared.
        by_task: Task to its successes and its distinct solutions.
    """

    successes: int
    distinct: int
    tasks: int
    differ: Interval | None
    by_task: Mapping[str, tuple[int, int]] = field(repr=False)


def solution(episode: Episode) -> str:
    """Return what identifies an episode's solution, as a digest.

    - Where tools were called: the calls in their order, each by its name and its arguments. Of
      Python (the argument ``code``) comments, blank lines and spacing do not count; names and the
      order of statements do. The prose around calls and the wording of the answer do not.
    - Where none was called: the texts of the actions, whatever their white space.
    """
    found = [parse(turn.action, turn.tool_calls).calls for turn in episode.turns]
    calls: list[Any] = [_spelled(call) for turn in found for call in turn]
    texts = calls or [" ".join(turn.action.split()) for turn in episode.turns]
    return hashlib.sha256(json.dumps(texts, sort_keys=True).encode()).hexdigest()


def _spelled(call: ToolCall) -> list[Any]:
    return [call.name, {name: _normal(name, value) for name, value in call.arguments.items()}]


def _normal(name: str, value: Any) -> Any:
    if not isinstance(value, str):
        return value
    return _program(value) if name == _CODE else " ".join(value.split())


def _program(code: str) -> str:
    """Return Python without what does not matter to it; text that is no Python loses only space."""
    try:
        tokens = tokenize.generate_tokens(io.StringIO(code).readline)
        words = [_LAYOUT.get(token.type, token.string) for token in tokens]
    except (tokenize.TokenError, SyntaxError):
        return " ".join(code.split())
    return " ".join(word for word in words if word)


def solutions(episodes: Iterable[Episode], solved: float = SOLVED) -> dict[str, Counter[str]]:
    """Count the solutions of each task's episodes that were solved."""
    found: dict[str, Counter[str]] = {}
    for episode in episodes:
        if episode.reward is not None and episode.reward >= solved:
            found.setdefault(episode.task_id, Counter())[solution(episode)] += 1
    return found


def diversity(counts: Counts) -> Diversity:
    """Say how many solutions are distinct."""
    by_task = {task: (sum(found.values()), len(found)) for task, found in counts.items() if found}
    differ = {
        task: [distinct_among(list(counts[task].values()), 2) - 1.0]
        for task, (successes, _) in by_task.items()
        if successes > 1
    }
    return Diversity(
        successes=sum(successes for successes, _ in by_task.values()),
        distinct=sum(distinct for _, distinct in by_task.values()),
        tasks=len(by_task),
        differ=score_interval(differ) if differ else None,
        by_task=by_task,
    )


def distinct_among(counts: Sequence[int], picked: int) -> float:
    """Return how many solutions are distinct among some of the successes, on average.

    Args:
        counts: How many successes have each solution.
        picked: How many successes are picked at random; at most all.

    Raises:
        ValueError: If not ``1 <= picked <= sum(counts)``.

    Source: Hurlbert 1971, "The Nonconcept of Species Diversity", eq. 14 (rarefaction). It is
    unbiased, as pass@k is, whose form it has.
    """
    total = sum(counts)
    if not 1 <= picked <= total:
        raise ValueError(f"between 1 and {total} successes can be picked, not {picked}")
    ways = math.comb(total, picked)
    return sum((ways - math.comb(total - count, picked)) / ways for count in counts)
