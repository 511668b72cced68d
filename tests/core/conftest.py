"""Environments that the tests of the core share, written as a module that entry points can name."""

import importlib
import sys
import textwrap
from collections.abc import Callable, Iterator
from types import ModuleType

import pytest

DEMO = '''
import agentgym as ag


class Sum(ag.ToolEnv):
    """Add two numbers."""

    instructions = "Use add."
    tasks = ag.TaskSet.generate(
        lambda rng, split, index: ag.Task("", f"{index} + 100?", str(index + 100)),
        {"train": 20, "test": 5},
    )

    def begin(self, task):
        self.log = ["begin"]
        return task.prompt

    def end(self):
        self.log.append("end")

    @ag.tool
    def add(self, a: int, b: int = 100) -> int:
        """Add two whole numbers.

        Args:
            a: The first.
            b: The second.
        """
        return a + b

    @ag.tool
    def shout(self, text: str) -> str:
        """Say it loudly."""
        return text.upper()

    @ag.tool
    def refuse(self) -> str:
        """Refuse."""
        raise ag.ToolError("not today")

    @ag.tool
    def explode(self) -> str:
        """Fail like a bug."""
        return str(1 // 0)

    def score(self, task, answer):
        return ag.Verdict.of(sum=answer.strip() == task.answer)

    def oracle(self, task):
        yield ag.call("add", a=int(task.answer) - 100)
        yield ag.answer(task.answer)


class Echo(ag.Env):
    """Single turn, no tools: repeat the prompt."""

    tasks = ag.TaskSet.of([ag.Task("one", "uno", "uno"), ag.Task("two", "due", "due")])

    def respond(self, action):
        return ag.Reply(verdict=ag.Verdict.of(same=action == self.task.answer))

    def oracle(self, task):
        yield ag.answer(task.answer)
'''


@pytest.fixture
def write_module(
    tmp_path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[[str, str], ModuleType]]:
    """Write a module where an entry point finds it, and import it."""
    monkeypatch.syspath_prepend(tmp_path)
    made: list[str] = []

    def write(name: str, text: str) -> ModuleType:
        (tmp_path / f"{name}.py").write_text(textwrap.dedent(text))
        importlib.invalidate_caches()
        made.append(name)
        return importlib.import_module(name)

    yield write
    for name in made:
        sys.modules.pop(name, None)


@pytest.fixture
def clean_registry() -> Iterator[None]:
    """Forget what a test registered."""
    from gymnasium.envs.registration import registry

    from agentgym import registry as ours

    before = dict(registry), dict(ours._descriptions), set(ours._loaded), dict(ours._broken)
    yield
    tables = (registry, ours._descriptions, ours._loaded, ours._broken)
    for table, content in zip(tables, before, strict=True):
        table.clear()
        table.update(content)


@pytest.fixture
def demo(write_module, clean_registry) -> ModuleType:
    """A module with `Sum` and `Echo`, registered as core/Sum-v0 and core/Echo-v0."""
    import agentgym as ag

    module = write_module("core_demo", DEMO)
    ag.register("core/Sum-v0", "core_demo:Sum", description="add two numbers")
    ag.register("core/Echo-v0", "core_demo:Echo")
    return module
