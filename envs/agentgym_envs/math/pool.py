r"""A verifier whose judgements can be killed: processes of its own, time and memory limited.

    with Verifier(workers=2) as verifier:
        verdicts = verifier.verify_many([(r"so \boxed{0.5}", r"\frac12")])

Threads may share one. It sets no signal handler, and uses neither multiprocessing nor a fork, so
it works in daemonic processes, in Ray workers and under any event loop.

Left out: a fork server, which would start a fresh process in 10 ms and not in a second; the spare
covers single kills, and the checker ends nearly every bomb by itself.
"""

from __future__ import annotations

import math
import os
import select
import time
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self, TypeVar

from agentgym.errors import Unscored, UsageError
from agentgym.types import Rule, Verdict
from agentgym_envs.math.bench import Bench
from agentgym_envs.math.judge import Judge
from agentgym_envs.math.verify import checked_gold

__all__ = ["Verifier"]

START_WAIT_S = 60.0
SLACK_S = 0.1  # the worker ends most judgements itself when their time is over
TRIES = 2

Made = TypeVar("Made")


@dataclass(slots=True)
class _Job:
    at: int
    order: dict[str, Any]
    timeout_s: float
    deaths: int = 0


@dataclass(slots=True)
class _Try:
    job: _Job
    judge: Judge
    until: float
    asked: bool = False


class Verifier:
    """`verify` in processes that are killed when their time is over.

    Args:
        workers: How many judge at once. One more stands by.

    Raises:
        UsageError: If there is to be no worker.
        Unscored: If a process cannot be started.
    """

    def __init__(self, workers: int = 2) -> None:
        if workers < 1:
            raise UsageError(f"workers must be at least 1, not {workers}")
        self._owner = os.getpid()
        self._bench = Bench(workers)
        self._threads = ThreadPoolExecutor(workers, thread_name_prefix="agentgym-verifier")

    def verify(
        self, response: str, gold: Any, timeout_s: float = 2.0, *, problem: str | None = None
    ) -> Verdict:
        """Judge one response; see `agentgym_envs.math.verify`.

        Args:
            response: What the model wrote.
            gold: The right answer.
            timeout_s: Most seconds from when a worker takes it; it returns 0.2 s later at the
                latest. A response whose worker dies is judged once more, with the same time.
            problem: What was asked, if known.

        Returns:
            The verdict; 0.0 for a response that takes too long, or ends two workers.

        Raises:
            UsageError: If the gold is empty, the limit no positive number, or the verifier closed
                or made by another process.
            Unscored: If the checker or its processes fail, through no doing of the response.
        """
        return self._judge([_job(0, response, gold, timeout_s, problem)])[0]

    def verify_many(
        self, pairs: Iterable[tuple[str, Any]], timeout_s: float = 2.0
    ) -> list[Verdict]:
        """Judge pairs of response and gold, several at once; the verdicts keep their order.

        The limit is each pair's own. Raises as `verify` does, and then judges nothing further.
        """
        jobs = [_job(at, *pair, timeout_s, None) for at, pair in enumerate(pairs)]
        return self._judge(jobs)

    async def averify(
        self, response: str, gold: Any, timeout_s: float = 2.0, *, problem: str | None = None
    ) -> Verdict:
        """Judge one response as `verify` does, without holding up the event loop."""
        return await self._off_loop(lambda: self.verify(response, gold, timeout_s, problem=problem))

    async def averify_many(
        self, pairs: Iterable[tuple[str, Any]], timeout_s: float = 2.0
    ) -> list[Verdict]:
        """Judge pairs as `verify_many` does, without holding up the event loop."""
        return await self._off_loop(lambda: self.verify_many(pairs, timeout_s))

    async def _off_loop(self, action: Callable[[], Made]) -> Made:
        import asyncio  # costs more than all else here

        self._check_owner()
        self._bench.check_open()
        return await asyncio.get_running_loop().run_in_executor(self._threads, action)

    def close(self) -> None:
        """End the processes, and what they judge with a `UsageError`; twice does no harm."""
        if os.getpid() != self._owner:
            self._bench.abandon()
            return
        self._bench.close()
        self._threads.shutdown(wait=True, cancel_futures=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _check_owner(self) -> None:
        if os.getpid() != self._owner:
            raise UsageError(
                f"this Verifier belongs to process {self._owner}, and this is its fork "
                f"{os.getpid()}; make one in every process"
            )

    def _judge(self, jobs: Sequence[_Job]) -> list[Verdict]:
        """Drive as many judges as are free from this thread until all jobs are done."""
        self._check_owner()
        self._bench.check_open()
        waiting, tries = deque(jobs), list[_Try]()
        verdicts: dict[int, Verdict] = {}
        try:
            while waiting or tries:
                while waiting and (judge := self._bench.lend(wait=not tries)) is not None:
                    tries.append(_Try(waiting.popleft(), judge, judge.started + START_WAIT_S))
                    _ask(tries[-1])
                _await(tries)
                for each in list(tries):
                    outcome = self._outcome(each)
                    if outcome is None:
                        continue
                    tries.remove(each)
                    if isinstance(outcome, Verdict):
                        verdicts[each.job.at] = outcome
                    else:
                        waiting.appendleft(outcome)
        finally:
            for each in tries:
                with suppress(Unscored):  # of a replacement: whatever came first is told
                    self._bench.discard(each.judge)
        return [verdicts[at] for at in range(len(jobs))]

    def _outcome(self, each: _Try) -> Verdict | _Job | None:
        """Go on with one try: return its verdict, its job to be tried again, or None as yet."""
        reply = each.judge.reply()
        if reply is not None:
            self._bench.give_back(each.judge, spent=reply["last"])
            return _verdict(reply)
        if each.judge.ended:
            return self._after_death(each)
        _ask(each)
        each.judge.send()
        if time.monotonic() < each.until:
            return None
        self._bench.discard(each.judge)
        if not each.asked:
            raise Unscored(f"no judging process was ready within {START_WAIT_S:g} s")
        return _wrong(f"not decided within {each.job.timeout_s:g} s")

    def _after_death(self, each: _Try) -> Verdict | _Job:
        cause = each.judge.why_it_ended()
        self._bench.discard(each.judge)
        self._bench.check_open()
        each.job.deaths += each.asked
        if each.job.deaths < TRIES:
            return each.job
        return _wrong(f"not decided, judging it ended {TRIES} processes ({cause})")


def _job(at: int, response: str, gold: Any, timeout_s: float, problem: str | None) -> _Job:
    if not isinstance(response, str):
        raise UsageError(f"a response is text, not {type(response).__name__}")
    if not 0 < timeout_s < math.inf:
        raise UsageError(f"timeout_s must be positive, not {timeout_s}")
    order = {"response": response, "gold": checked_gold(gold), "timeout_s": timeout_s}
    return _Job(at, {**order, "problem": problem}, timeout_s)


def _ask(each: _Try) -> None:
    """Ask a judge that is ready and was not asked yet; its time runs from here."""
    if each.judge.ready and not each.asked:
        each.judge.ask(each.job.order)
        each.asked = True
        each.until = time.monotonic() + each.job.timeout_s + SLACK_S


def _await(tries: Sequence[_Try]) -> None:
    """Wait until one of the judges says something, takes something, or is out of time."""
    poll = select.poll()
    for each in tries:
        output, unsent = each.judge.descriptors
        poll.register(output, select.POLLIN)
        if unsent is not None:
            poll.register(unsent, select.POLLOUT)
    left_s = min(each.until for each in tries) - time.monotonic()
    poll.poll(max(0, math.ceil(left_s * 1_000)))


def _verdict(reply: dict[str, Any]) -> Verdict:
    if "fault" in reply:
        raise Unscored(f"the checker failed: {reply['fault']}")
    found = reply["verdict"]
    return Verdict(**{**found, "rules": tuple(Rule(**rule) for rule in found["rules"])})


def _wrong(why: str) -> Verdict:
    reason = f"wrong: {why}"
    return Verdict(0.0, (Rule("answer", 0.0, reason=reason),), reason)
