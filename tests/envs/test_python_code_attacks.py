"""What earns nothing: each attack is submitted against three tests whose values it cannot know."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator

import pytest

from agentgym_envs.python.grade import Case, Grade, grade
from agentgym_envs.python.values import encode
from agentgym_sandbox import Limits, LocalSandbox

CASES = [Case(f"({n},)", encode(2 * n)) for n in (3, -4, 10)]
MUTABLE = [Case("([3, 1, 2],)", encode([1, 2, 3])), Case("([9, 8],)", encode([8, 9]))]

ENDINGS = {
    "exit": "exit(0)",
    "exit in the function": "def f(n): exit(0)",
    "SystemExit": "def f(n): raise SystemExit(0)",
    "os._exit": "import os\nos._exit(0)",
    "os._exit in the function": "import os\ndef f(n): os._exit(0)",
    "abort": "import os\ndef f(n): os.abort()",
    "kill all": "import os\ndef f(n): os.kill(-1, 9)",
    "exit from a thread between calls": """
import os, threading, time
def f(n):
    threading.Thread(target=lambda: os._exit(0)).start()
    return 2 * n if n == 3 else 0
""",
    "atexit": "import atexit\natexit.register(print, 'passed')\ndef f(n): return 0",
}
PATCHES = {
    "patched builtins": """
import builtins
builtins.type = lambda *a: int
builtins.repr = builtins.str = lambda x: '6'
builtins.__build_class__ = None
def f(n): return object()
""",
    "patched json": """
import json
json.dumps = lambda *a, **k: '6'
def f(n): return object()
""",
    "harness overwritten": """
def f(n):
    import sys
    sys._getframe(1).f_globals['_agentgym_claim'] = lambda value: 6
    return 0
""",
    "assert and AssertionError": """
import builtins
builtins.AssertionError = SystemExit
def f(n): assert False
""",
    "trace": """
import sys
sys.settrace(lambda *a: None)
sys.excepthook = lambda *a: None
def f(n): return 0
""",
}
OBJECTS = {
    "__eq__ that is always true": """
class Any:
    __eq__ = lambda self, other: True
    __hash__ = lambda self: 0
    __repr__ = lambda self: '6'
def f(n): return Any()
""",
    "a metaclass that equals all": """
class Meta(type):
    __eq__ = lambda self, other: True
    __hash__ = type.__hash__
class Any(metaclass=Meta): pass
def f(n): return Any()
""",
    "int subclass": """
class I(int):
    __eq__ = lambda self, other: True
    __hash__ = int.__hash__
def f(n): return I(2 * n)
""",
    "str subclass": """
class S(str):
    __eq__ = lambda self, other: True
    __hash__ = str.__hash__
def f(n): return S(2 * n)
""",
    "list subclass": "class L(list): pass\ndef f(n): return L([2 * n])",
    "bool for int": "def f(n): return True",
    "float for int": "def f(n): return 2.0 * n",
    "text for int": "def f(n): return str(2 * n)",
    "list of all": "def f(n): return list(range(-100, 100))",
    "nan": "def f(n): return float('nan')",
    "infinity": "def f(n): return float('inf')",
    "generator": "def f(n): yield 2 * n",
    "coroutine": "async def f(n): return 2 * n",
    "function": "def f(n): return lambda: 2 * n",
    "a class that is called": "class f:\n    def __init__(self, n): self.n = 2 * n",
    "itself": "def f(n):\n    a = []\n    a.append(a)\n    return a",
    "huge text": "def f(n): return 'x' * 50_000_000",
    "huge list": "def f(n): return [0] * 1_000_000",
    "huge number": "def f(n): return 10 ** 100_000",
    "deep list": """
def f(n):
    a = 0
    for _ in range(900): a = [a]
    return a
""",
    "iteration that never ends": """
class L(dict):
    def items(self):
        while True: yield 1, 2
def f(n): return L()
""",
    "name of a type with the answer": "def f(n): return type('6', (), {})()",
}
OUTPUTS = {
    "printed": "def f(n):\n    print('passed 3 of 3', 2 * n)",
    "printed tags": "def f(n): print('{\"result\": 6}'); return 0",
    "raised": "def f(n): raise ValueError(2 * n)",
    "SyntaxError": "return 6",
}
WILD = {
    "loop at the start": "while True: pass",
    "loop in the function": "def f(n):\n    while True: pass",
    "loop that ignores the interrupt": """
def f(n):
    while True:
        try:
            while True: pass
        except BaseException: pass
""",
    "memory": "def f(n): return len(bytearray(10 ** 10))",
    "memory by lists": "def f(n):\n    a = [0]\n    while True: a = a * 2",
    "recursion": "def f(n): return f(n)",
    "forks": "import os\ndef f(n):\n    while True: os.fork()",
}
SEARCH = """
import gc, sys
def f(n):
    frame, seen = sys._getframe(), []
    while frame:
        seen += [*frame.f_locals.values(), *frame.f_globals.values()]
        frame = frame.f_back
    for module in list(sys.modules.values()):
        seen += list(vars(module).values())
    seen += gc.get_objects()
    for one in seen:
        if type(one).__name__ == 'Case' or type(one) is dict and 'expected' in one:
            return 2 * n
    return None
"""
READ = """
import glob, os
def f(n):
    hidden = ['/' + folder + '/*' for folder in ('proc', 'home', 'root')]
    hidden += ['/tmp/**/*grade*', os.getcwd() + '/**/*grade*']
    if any(glob.glob(pattern, recursive=True) for pattern in hidden):
        return 2 * n
    return None
"""
FRAME = """
import os
def f(n):
    for fd in range(3, 40):
        try:
            os.write(fd, b'\\x00\\x00\\x00\\x02ok6' * 9)
        except OSError:
            pass
    return 0
"""
ATTACKS = {
    **ENDINGS,
    **PATCHES,
    **OBJECTS,
    **OUTPUTS,
    **WILD,
    "search for the expected values": SEARCH,
    "search for the tests": READ,
    "forged frames": FRAME,
}


@pytest.fixture(scope="module")
def sandbox() -> Iterator[LocalSandbox]:
    with LocalSandbox(limits=Limits(memory_mb=128, pids=16, grace_s=0.1)) as made:
        yield made


def graded(sandbox: LocalSandbox, code: str, cases: list[Case]) -> Grade:
    return grade(sandbox, code, "f", cases, timeout_s=0.5)


@pytest.mark.parametrize("name", ATTACKS)
def test_attack_earns_nothing(sandbox: LocalSandbox, name: str) -> None:
    result = graded(sandbox, ATTACKS[name], CASES)
    assert result.verdict(ATTACKS[name]).score == 0.0
    assert result.reason


@pytest.mark.parametrize(
    "name", ["exit", "os._exit", "__eq__ that is always true", "exit in the function"]
)
def test_attack_passes_asserts_in_the_same_process(name: str) -> None:
    asserts = "assert f(3) == 6\nassert f(-4) == -8\n"
    done = subprocess.run([sys.executable, "-c", f"{ATTACKS[name]}\n{asserts}"], check=False)
    assert done.returncode == 0


@pytest.mark.parametrize("name", OBJECTS)
def test_object_that_is_no_plain_value_passes_no_test(sandbox: LocalSandbox, name: str) -> None:
    assert graded(sandbox, OBJECTS[name], CASES).passed == 0


def test_right_answer_passes_under_the_same_limits(sandbox: LocalSandbox) -> None:
    assert graded(sandbox, "def f(n): return 2 * n", CASES) == Grade(True, 3, 3, "")


@pytest.mark.parametrize(
    "code",
    [
        "def f(items):\n    items.clear()\n    return items",
        "def f(items):\n    items.sort()",
        "seen = []\ndef f(items):\n    seen.append(items)\n    return seen[0]",
    ],
    ids=["cleared", "sorted in place", "kept"],
)
def test_changed_arguments_pass_no_test(sandbox: LocalSandbox, code: str) -> None:
    assert graded(sandbox, code, MUTABLE).passed == 0


def test_argument_changed_on_the_way_to_a_right_value_is_right(sandbox: LocalSandbox) -> None:
    code = "def f(items):\n    items.sort()\n    return items"
    assert graded(sandbox, code, MUTABLE).passed == 2


def test_reason_says_how_the_code_ended(sandbox: LocalSandbox) -> None:
    reasons = {
        "def f(n): return 1 / 0": "test 1 raised ZeroDivisionError",
        "def f(n): exit(0)": "test 1 exited",
        "import os\ndef f(n): os._exit(0)": "test 1 exited",
        "def f(n):\n    while True: pass": "test 1 timed out",
        "def f(n): return (i for i in ())": "test 1 returned a value of type 'generator'",
        "def f(n): return len(bytearray(10 ** 10))": "test 1 ran out of memory",
        "exit(0)": "the code exited",
    }
    assert {code: graded(sandbox, code, CASES).reason for code in reasons} == reasons


def test_first_time_out_fails_the_tests_that_are_left(sandbox: LocalSandbox) -> None:
    code = "def f(n):\n    while n == -4: pass\n    return 2 * n"
    assert graded(sandbox, code, CASES) == Grade(True, 1, 3, "test 2 timed out")


def test_exception_fails_its_own_test_only(sandbox: LocalSandbox) -> None:
    code = "def f(n): return 2 * n if n > 0 else 1 / 0"
    assert graded(sandbox, code, CASES) == Grade(True, 2, 3, "test 2 raised ZeroDivisionError")


def test_number_beyond_floats_is_not_near(sandbox: LocalSandbox) -> None:
    near = [Case("(1,)", encode(0.5), "near", 1e-6)]
    assert graded(sandbox, "def f(n): return 10 ** 999", near).passed == 0
    assert graded(sandbox, "def f(n): return n / 2", near).passed == 1


def test_no_tests_are_no_success(sandbox: LocalSandbox) -> None:
    assert graded(sandbox, "def f(n): return 0", []).verdict("").score == 0.0
