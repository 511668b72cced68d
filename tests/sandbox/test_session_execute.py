"""What honest code gets back."""

from __future__ import annotations

import pytest

from agentgym_sandbox import LocalSandbox, SandboxError
from agentgym_sandbox.session import LocalSession


def test_execute_gives_the_repr_of_a_last_expression(session: LocalSession) -> None:
    result = session.execute("x = 6 * 7\nx")
    assert (result.status, result.result, result.session_alive) == ("ok", "42", True)


def test_execute_gives_no_result_for_none(session: LocalSession) -> None:
    assert session.execute("None").result is None


def test_execute_gives_no_result_for_a_statement(session: LocalSession) -> None:
    assert session.execute("x = 1").result is None


def test_execute_keeps_state_between_calls(session: LocalSession) -> None:
    session.execute("def f(n):\n    return n + 1")
    assert session.execute("f(1)").result == "2"


def test_execute_keeps_stdout_and_stderr_apart(session: LocalSession) -> None:
    result = session.execute("import sys\nprint('a')\nprint('b', file=sys.stderr)")
    assert (result.stdout, result.stderr) == ("a\n", "b\n")


def test_execute_gives_each_call_its_own_output(session: LocalSession) -> None:
    session.execute("print('first')")
    assert session.execute("print('second')").stdout == "second\n"


def test_execute_collects_the_output_of_child_processes(session: LocalSession) -> None:
    result = session.execute(
        "import subprocess\nsubprocess.run(['echo', 'from a child']).returncode"
    )
    assert (result.stdout, result.result) == ("from a child\n", "0")


def test_execute_reports_an_exception_with_the_codes_own_lines(session: LocalSession) -> None:
    result = session.execute("def f():\n    return 1 / 0\nf()")
    assert result.status == "error"
    assert result.exception is not None
    assert "return 1 / 0" in result.exception
    assert result.exception.endswith("ZeroDivisionError: division by zero")


def test_execute_leaves_the_harness_out_of_tracebacks(session: LocalSession) -> None:
    result = session.execute("exit(3)")
    assert "interpreter.py" not in (result.exception or "interpreter.py")


def test_execute_keeps_state_after_an_exception(session: LocalSession) -> None:
    session.execute("x = 5\n1 / 0")
    assert session.execute("x").result == "5"


def test_execute_reports_a_syntax_error(session: LocalSession) -> None:
    result = session.execute("def f(:")
    assert result.status == "error"
    assert "SyntaxError" in (result.exception or "")


def test_execute_reports_a_null_byte_as_an_error(session: LocalSession) -> None:
    assert session.execute("x = 1\0").status == "error"


def test_execute_carries_any_unicode_both_ways(session: LocalSession) -> None:
    result = session.execute("s = 'ä€😀'\nprint(s)\nlen(s)")
    assert (result.stdout, result.result) == ("ä€😀\n", "3")


def test_execute_survives_a_lone_surrogate_in_the_code(session: LocalSession) -> None:
    assert session.execute("'\ud800'").status == "error"


def test_execute_refuses_code_beyond_any_measure(session: LocalSession) -> None:
    result = session.execute("#" * (16 * 2**20 + 1))
    assert (result.status, result.session_alive) == ("error", True)


def test_execute_takes_code_larger_than_a_socket_buffer(session: LocalSession) -> None:
    assert session.execute("#" * 2**21 + "\n1").result == "1"


def test_execute_refuses_a_timeout_that_is_not_positive(session: LocalSession) -> None:
    with pytest.raises(ValueError, match="timeout_s is 0"):
        session.execute("1", timeout_s=0)


def test_execute_gives_end_of_file_to_input(session: LocalSession) -> None:
    assert (session.execute("input()").exception or "").endswith("EOF when reading a line")


def test_execute_cuts_a_long_result(session: LocalSession) -> None:
    result = session.execute("'x' * 10_000")
    assert result.result is not None
    assert (len(result.result), result.truncated) == (4096, True)


def test_execute_cuts_long_output(session: LocalSession) -> None:
    result = session.execute("print('x' * 100_000)")
    assert (result.status, len(result.stdout), result.truncated) == ("ok", 4096, True)


def test_execute_cuts_a_long_exception(session: LocalSession) -> None:
    result = session.execute("raise ValueError('x' * 100_000)")
    assert result.exception is not None
    assert (len(result.exception), result.truncated) == (4096, True)


def test_execute_can_import_a_module_put_into_the_work_folder(session: LocalSession) -> None:
    session.put("mine.py", b"answer = 42\n")
    assert session.execute("import mine\nmine.answer").result == "42"


def test_execute_prints_sets_the_same_in_every_session(sandbox: LocalSandbox) -> None:
    code = "{'one', 'two', 'three', 'four'}"
    with sandbox.session() as one, sandbox.session() as two:
        assert one.execute(code).result == two.execute(code).result


def test_execute_seeds_random_differently_in_every_session(sandbox: LocalSandbox) -> None:
    code = "import random\nrandom.random()"
    with sandbox.session() as one, sandbox.session() as two:
        assert one.execute(code).result != two.execute(code).result


def test_execute_runs_asyncio_and_threads(session: LocalSession) -> None:
    code = "import asyncio\nasyncio.run(asyncio.to_thread(lambda: 3))"
    assert session.execute(code).result == "3"


def test_execute_in_a_session_in_use_raises(session: LocalSession) -> None:
    with session._claimed(), pytest.raises(SandboxError, match="another thread"):
        session.execute("1")


def test_preload_makes_packages_visible(sandbox: LocalSandbox) -> None:
    preload = ("typing_extensions",)
    code = "import typing_extensions, sys\n'agentgym_sandbox' in sys.modules"
    with LocalSandbox(limits=sandbox.limits, preload=preload) as other, other.session() as session:
        assert session.execute(code).result == "False"


def test_packages_are_hidden_without_preload(session: LocalSession) -> None:
    assert "ModuleNotFoundError" in (session.execute("import pip").exception or "")


def test_preload_of_a_missing_module_names_it() -> None:
    with pytest.raises(SandboxError, match="no_such_module"):
        LocalSandbox(preload=("no_such_module",))
