"""Calls to the host, set-up templates, and the asynchronous twin."""

from __future__ import annotations

import asyncio
import time

import pytest

from agentgym_sandbox import LocalSandbox, SandboxDead, SandboxError
from agentgym_sandbox.session import LocalSession

CALL = "import sandbox_host\n"


def test_rpc_answers_calls_in_order(session: LocalSession) -> None:
    heard: list[str] = []

    def handler(text: str) -> str:
        heard.append(text)
        return text.upper()

    session.rpc(handler)
    result = session.execute(
        CALL + "[sandbox_host.call(t) for t in ('a', 'ä€', 'x' * 100_000)][:2]"
    )
    assert result.result == "['A', 'Ä€']"
    assert [len(text) for text in heard] == [1, 2, 100_000]


def test_rpc_without_a_handler_is_an_error_of_the_code(session: LocalSession) -> None:
    result = session.execute(CALL + "sandbox_host.call('x')")
    assert (result.status, result.session_alive) == ("error", True)
    assert "offers no calls" in (result.exception or "")


def test_rpc_carries_long_answers(session: LocalSession) -> None:
    session.rpc(lambda text: "y" * 3_000_000)
    assert session.execute(CALL + "len(sandbox_host.call(''))").result == "3000000"


def test_rpc_refuses_more_than_its_limit(session: LocalSession) -> None:
    session.rpc(lambda text: text)
    result = session.execute(CALL + "sandbox_host.call('x' * 2_000_000)")
    assert (result.status, result.session_alive) == ("error", True)


def test_rpc_handler_that_raises_loses_the_session(session: LocalSession) -> None:
    def handler(text: str) -> str:
        raise LookupError(text)

    session.rpc(handler)
    with pytest.raises(LookupError, match="boom"):
        session.execute(CALL + "sandbox_host.call('boom')")
    with pytest.raises(SandboxDead):
        session.execute("1")


def test_rpc_does_not_lengthen_the_time(session: LocalSession) -> None:
    session.rpc(lambda text: time.sleep(0.02) or "ok")
    start = time.monotonic()
    result = session.execute(CALL + "while True: sandbox_host.call('x')", timeout_s=0.3)
    assert (result.status, time.monotonic() - start < 1.5) == ("timeout", True)


def test_rpc_interrupt_while_waiting_keeps_the_session(session: LocalSession) -> None:
    for round_s in (0.05, 0.051, 0.052, 0.053):
        session.rpc(lambda text: text)
        code = CALL + "n = 0\nwhile True:\n    n += sandbox_host.call('x') == 'x'"
        result = session.execute(code, timeout_s=round_s)
        assert (result.status, result.session_alive) == ("timeout", True)
        assert session.execute("sandbox_host.call('after'), n > 0").result == "('after', True)"


def test_rpc_from_threads_answers_each_its_own(session: LocalSession) -> None:
    session.rpc(lambda text: text * 2)
    code = (
        CALL + "from concurrent.futures import ThreadPoolExecutor\n"
        "with ThreadPoolExecutor(3) as pool:\n"
        "    answers = list(pool.map(sandbox_host.call, map(str, range(100))))\n"
        "answers == [str(n) * 2 for n in range(100)]"
    )
    assert session.execute(code).result == "True"


@pytest.mark.parametrize(
    "fields", ["", "b'12345678'", "b'1', b'2', b'3'"], ids=["none", "one", "three"]
)
def test_rpc_forged_call_is_a_breach(session: LocalSession, fields: str) -> None:
    session.rpc(lambda text: text)
    code = (
        "import os, sandbox_host, struct\nharness = sandbox_host.call.__self__\n"
        f"fields = [{fields}]\nbody = b''.join(struct.pack('!I', len(f)) + f for f in fields)\n"
        "os.write(3, struct.pack('!I16sBB', len(body), harness._request, 4, len(fields)) + body)\n"
        "import time\ntime.sleep(2)"
    )
    assert session.execute(code).status == "protocol_error"


def test_setup_runs_once_and_sessions_start_from_it(sandbox: LocalSandbox) -> None:
    setup = "import random\nx = [random.random()]\nprint('to nobody')"
    with sandbox.session(setup=setup) as one, sandbox.session(setup=setup) as two:
        first, second = one.execute("x").result, two.execute("x").result
        assert first == second
        one.execute("x.append(1)")
        assert two.execute("len(x)").result == "1"
        assert two.execute("1").stdout == ""


def test_setup_does_not_reach_other_sessions(sandbox: LocalSandbox) -> None:
    with sandbox.session(setup="y = 1"), sandbox.session() as plain:
        assert plain.execute("y").status == "error"


def test_setup_that_fails_raises_with_its_error(sandbox: LocalSandbox) -> None:
    with pytest.raises(SandboxError, match="ZeroDivisionError"):
        sandbox.session(setup="1 / 0")


def test_setup_templates_make_room_and_leased_sessions_live_on(sandbox: LocalSandbox) -> None:
    with LocalSandbox(limits=sandbox.limits, warm=0) as other:
        first = other.session(setup="n = 0")
        for number in range(1, 9):
            other.session(setup=f"n = {number}").close()
        assert len(other._templates) == 8
        assert first.execute("n").result == "0"
        with other.session() as plain:
            assert plain.execute("1").result == "1"


def test_async_sessions_run_side_by_side(sandbox: LocalSandbox) -> None:
    spans = []

    async def use(number: int) -> str | None:
        start = time.monotonic()
        with await sandbox.asession() as session:
            result = await session.aexecute(f"import time\ntime.sleep(0.2)\n{number}")
        spans.append(time.monotonic() - start)
        return result.result

    async def all_of_them() -> list[str | None]:
        return await asyncio.gather(*[use(number) for number in range(20)])

    start = time.monotonic()
    assert asyncio.run(all_of_them()) == [str(number) for number in range(20)]
    assert sum(spans) > 5 * (time.monotonic() - start)  # one after another they would be equal


def test_async_cancel_ends_the_session(sandbox: LocalSandbox) -> None:
    async def cancel() -> bool:
        session = await sandbox.asession()
        running = asyncio.create_task(session.aexecute("while True: pass", timeout_s=60))
        await asyncio.sleep(0.1)
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running
        return session.alive

    start = time.monotonic()
    assert asyncio.run(cancel()) is False
    assert time.monotonic() - start < 5.0
