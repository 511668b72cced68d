"""The environment's thread: slow set-up behind the sampling, and results that reach the loop."""

from __future__ import annotations

import asyncio

import parity_env
import pytest

from agentgym.errors import EnvironmentFault
from agentgym.rollout.spec import EnvSpec
from agentgym.rollout.worker import EnvWorker


def test_worker_prepares_after_the_first_observation_is_out() -> None:
    async def first_call() -> tuple[bool, bool]:
        worker = EnvWorker(EnvSpec("agentgym/PythonMath-v0"))
        await worker.reset(0, "train-0", 10)
        env = worker._env.unwrapped
        for _ in range(500):  # the thread goes on by itself
            if env.interpreter.running:
                break
            await asyncio.sleep(0.01)
        prepared = env.interpreter.running
        step = await worker.step("```python\n6*7\n```", 10)
        worker.close()
        worker.join(10)
        return prepared, step.observation == "42"

    assert asyncio.run(first_call()) == (True, True)


def test_worker_reports_what_an_environment_raised() -> None:
    async def wrong() -> None:
        worker = EnvWorker(EnvSpec("demo/Faulty-v0", {"fail_on": {"train-0": 9}}))
        await worker.reset(0, "train-0", 10)
        await worker.step("a", 10)
        try:
            await worker.step("b", 10)
        finally:
            worker.close()

    parity_env.Faulty.attempts.clear()
    with pytest.raises(EnvironmentFault, match="the database is gone"):
        asyncio.run(wrong())


def test_worker_gives_the_oracle_only_where_it_is_asked_for() -> None:
    async def oracle(asked: bool) -> str | None:
        worker = EnvWorker(EnvSpec("demo/Parity-v0"), with_oracle=asked)
        step = await worker.reset(0, "train-1", 10)
        worker.close()
        return step.oracle

    assert asyncio.run(oracle(True)) == "first"
    assert asyncio.run(oracle(False)) is None
