"""The environment's thread: slow set-up behind the sampling, and results that reach the loop."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

import parity_env
import pytest

from agentgym.errors import EnvironmentFault
from agentgym.rollout.spec import EnvSpec
from agentgym.rollout.worker import EnvWorker, _answers


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


def test_answers_that_come_while_the_loop_is_busy_wake_it_once() -> None:
    async def busy() -> tuple[int, list[str | BaseException]]:
        loop = asyncio.get_running_loop()
        wake, wakes = loop.call_soon_threadsafe, []

        def counted(*args: Any) -> asyncio.Handle:
            wakes.append(args)
            return wake(*args)

        loop.call_soon_threadsafe = counted  # type: ignore[method-assign, assignment]
        futures = [loop.create_future() for _ in range(3)]
        answers = _answers(loop)

        def answer() -> None:
            answers.give(futures[0], "first", None)
            answers.give(futures[1], None, OSError("second"))
            answers.give(futures[2], None, StopIteration())

        thread = threading.Thread(target=answer)
        thread.start()
        thread.join()  # the loop hears nothing meanwhile
        return len(wakes), await asyncio.gather(*futures, return_exceptions=True)

    wakes, (first, second, third) = asyncio.run(busy())
    assert (wakes, first, str(second)) == (1, "first", "second")
    assert isinstance(third, EnvironmentFault)  # no future takes a StopIteration
