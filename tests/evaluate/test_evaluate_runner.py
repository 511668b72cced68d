from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest

from agentgym.errors import PolicyFault, UsageError
from agentgym.evaluate.runner import evaluate
from agentgym.evaluate.statistics import paired
from agentgym.policy.base import TurnContext
from agentgym.policy.scripted import NullPolicy, OraclePolicy
from agentgym.types import Completion, Group, SamplingParams

MATH = "agentgym/Math-v0"


class Breaking(OraclePolicy):
    """An oracle whose engine fails whenever a given task is asked."""

    def __init__(self, words: str) -> None:
        super().__init__()
        self.words = words

    async def sample(
        self, prompt_ids: Sequence[int], params: SamplingParams, context: TurnContext | None = None
    ) -> Completion:
        if context is not None and any(self.words in m.content for m in context.messages):
            raise PolicyFault("the engine fell over")
        return await super().sample(prompt_ids, params, context)


def test_evaluate_gives_the_oracle_one() -> None:
    seen: list[Group] = []
    result = evaluate(MATH, OraclePolicy(), tasks=3, rollouts=2, on_group=seen.append)
    assert result.score is not None
    assert (result.score.mean, result.tasks, result.scored) == (1.0, 3, 6)
    assert (result.env, result.policy, result.split) == (MATH, "oracle", "test")
    assert len(seen) == len(result.groups) == 3
    assert result.sampled_tokens > 0
    assert result.wall_s > 0


def test_evaluate_takes_tasks_by_id() -> None:
    first = evaluate(MATH, NullPolicy(), tasks=2)
    ids = list(first.scores())
    again = evaluate(MATH, NullPolicy(), tasks=ids[::-1])
    assert list(again.scores()) == ids[::-1]


def test_evaluate_leaves_episodes_of_a_broken_engine_unscored() -> None:
    whole = evaluate(MATH, OraclePolicy(), tasks=2)
    prompt = whole.groups[0].episodes[0].messages[-2].content
    result = evaluate(MATH, Breaking(prompt), tasks=2, retries=0)
    assert result.score is not None
    assert (result.score.mean, result.scored, result.errors) == (1.0, 1, 1)
    assert result.reasons == {"the engine fell over": 1}


def test_evaluations_compare_task_by_task() -> None:
    before = evaluate(MATH, NullPolicy(), tasks=4)
    after = evaluate(MATH, OraclePolicy(), tasks=4)
    gain = paired(before.scores(), after.scores())
    assert (gain.mean, gain.tasks, gain.p) == (1.0, 4, 0.0)


@pytest.mark.parametrize("options", [{"tasks": 0}, {"tasks": 2, "rollouts": 0}])
def test_evaluate_refuses_to_play_nothing(options: dict[str, int]) -> None:
    with pytest.raises(UsageError, match="needs a task and a rollout"):
        evaluate(MATH, NullPolicy(), **options)


def test_evaluate_works_inside_a_running_event_loop() -> None:
    async def as_in_a_notebook() -> float | None:
        result = evaluate(MATH, OraclePolicy(), tasks=3)
        return result.score.mean if result.score else None

    assert asyncio.run(as_in_a_notebook()) == 1.0
