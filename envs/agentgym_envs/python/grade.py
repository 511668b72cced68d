"""Judge a function by hidden tests, in a fresh session that never learns what is expected.

The session gets the code and then one call per test: the function and literal arguments. What
comes back is a claim of code that may be hostile: it can lie about its own results, but not know
the right ones, which stay on the host with the comparing (`values`). Nothing that the code does to
its session can make a test pass, except returning the value.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from agentgym.errors import EnvironmentFault
from agentgym.types import Rule, Verdict
from agentgym_envs.python.interpreter import works
from agentgym_envs.python.values import CLAIM, BadValue, decode, same
from agentgym_sandbox import ExecResult, Sandbox, SandboxDead, SandboxError, Session

__all__ = ["Case", "Grade", "Match", "grade", "rejected"]

Match = Literal["exact", "equal", "near"]

_EXCEPTION = re.compile(r"([A-Za-z_][\w.]{0,60})(?::|$)")


@dataclass(frozen=True, slots=True)
class Case:
    """One hidden test.

    Attributes:
        arguments: Python source of the tuple of arguments, a literal: all that a session is sent.
        expected: The value, as `values.encode` writes it; it never enters a session.
        match: ``exact`` compares types too; ``equal`` is Python's ``==`` of plain values, where
            ``2 == 2.0``; ``near`` takes numbers less than the tolerance apart.
        tolerance: For ``near``.
    """

    arguments: str
    expected: str
    match: Match = "exact"
    tolerance: float = 0.0

    def accepts(self, claim: str) -> bool:
        """Tell whether what a session says is the expected value.

        Raises:
            BadValue: If it is no plain value.
        """
        given, expected = decode(claim), decode(self.expected)
        if self.match == "exact":
            return same(given, expected)
        if self.match == "equal":
            return given == expected
        numbers = int | float
        if not isinstance(given, numbers) or not isinstance(expected, numbers):
            return False
        try:
            return abs(given - expected) < self.tolerance
        except OverflowError:  # a whole number beyond all floats
            return False


@dataclass(frozen=True, slots=True)
class Grade:
    """What a function came to: whether its code ran, how many tests it passed, and what failed."""

    loaded: bool
    passed: int
    total: int
    reason: str

    def verdict(self, code: str) -> Verdict:
        """Return 1.0 if every test has passed, else 0.0."""
        score = float(self.loaded and 0 < self.total == self.passed)
        share = self.passed / self.total if self.total else 0.0
        tests = f"passed {self.passed} of {self.total}"
        rules = (
            Rule("loads", float(self.loaded), reason="" if self.loaded else self.reason),
            Rule("tests", share, reason=tests),
        )
        reason = f"{tests}: {self.reason}" if self.reason else tests
        return Verdict(score, rules, reason, extracted=code)


def rejected(reason: str) -> Verdict:
    """Return the verdict on an answer that holds no code."""
    return Verdict(0.0, (Rule("loads", 0.0, reason=reason),), reason)


class _Broken(Exception):
    """The code did not come to a result; the text says how."""


@dataclass(frozen=True, slots=True)
class _Bench:
    """A fresh session, and the sandbox that made it."""

    sandbox: Sandbox
    session: Session
    timeout_s: float

    def run(self, code: str) -> ExecResult:
        """Execute code; a session that is lost through its own code gives a result too.

        Raises:
            EnvironmentFault: If the sandbox failed.
        """
        try:
            result = self.session.execute(code, timeout_s=self.timeout_s)
        except SandboxDead as error:
            # A thread that the code left behind can end the process between two calls.
            if not works(self.sandbox):
                raise
            return ExecResult("crashed", session_alive=False, detail=str(error))
        if result.status == "sandbox_error":
            raise EnvironmentFault(f"the python sandbox failed: {result.detail}")
        return result


def grade(
    sandbox: Sandbox,
    code: str,
    entry_point: str,
    cases: Sequence[Case],
    *,
    setup: str = "",
    timeout_s: float = 5.0,
) -> Grade:
    """Load code into a fresh session and call its function once per test.

    A wrong result or an exception fails its test and the next one is tried; the first time-out,
    or the loss of the session, fails those that are left.

    Args:
        sandbox: Makes the session.
        code: What was submitted.
        entry_point: Name of the function.
        cases: The hidden tests.
        setup: The task's own code, run before.
        timeout_s: Most seconds for each call.

    Raises:
        EnvironmentFault: If the sandbox or the task's own set-up failed; never through the code.
    """
    try:
        with sandbox.session() as session:
            return _graded(_Bench(sandbox, session, timeout_s), code, entry_point, cases, setup)
    except SandboxError as error:
        raise EnvironmentFault(f"the python sandbox failed: {error}") from error


def _graded(bench: _Bench, code: str, entry_point: str, cases: Sequence[Case], setup: str) -> Grade:
    prepared = bench.run(setup)
    if prepared.status != "ok":
        raise EnvironmentFault(f"the task's set-up {_how(prepared)}; correct the task")
    loaded = bench.run(code)
    if loaded.status != "ok":
        return Grade(False, 0, len(cases), f"the code {_how(loaded)}")
    if bench.run(f"{entry_point}\nNone").status != "ok":
        return Grade(False, 0, len(cases), f"the code defines no '{entry_point}'")
    passed, reason = 0, ""
    for number, case in enumerate(cases, 1):
        result = bench.run(f"{CLAIM}\n_agentgym_claim({entry_point}(*{case.arguments}))")
        failure = _failure(result, case)
        passed += not failure
        reason = reason or (failure and f"test {number} {failure}")
        if result.status == "timeout" or not result.session_alive:
            break
    return Grade(True, passed, len(cases), reason)


def _failure(result: ExecResult, case: Case) -> str:
    """Say what is wrong with the outcome of a test; nothing if it passed.

    The expected value stays out of it, and so do the code's own words.
    """
    if result.status != "ok":
        return _how(result)
    try:
        return "" if case.accepts(result.result or "") else "returned a wrong value"
    except BadValue as error:
        return f"returned {error}"


def _how(result: ExecResult) -> str:
    """Say how a call went wrong, in words that are the same on a replay."""
    if result.status == "error":
        lines = (result.exception or "").splitlines()
        names = [found[1] for line in lines if (found := _EXCEPTION.match(line))]
        return f"raised {names[-1] if names else 'an exception'}"
    words = {
        "timeout": "timed out",
        "oom": "ran out of memory",
        "crashed": "ended its interpreter",
        "exited": "exited",
        "output_limit": "printed too much",
        "protocol_error": "disturbed the result channel",
    }
    return words.get(result.status, result.status)
