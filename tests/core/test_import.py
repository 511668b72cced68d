"""What importing agentgym does and does not do; each test has an interpreter of its own."""

import subprocess
import sys

import pytest

import agentgym as ag


def python(code, *options):
    run = subprocess.run(
        [sys.executable, *options, "-c", code],
        check=False,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert run.returncode == 0, run.stderr
    return run.stdout.strip()


def test_import_loads_nothing_heavy():
    heavy = ("numpy", "gymnasium", "torch", "pydantic", "vllm", "transformers", "docker", "jinja2")
    code = f"import agentgym, sys; print([m for m in {heavy} if m in sys.modules])"
    assert python(code) == "[]"


def test_types_and_tool_calls_load_nothing_heavy():
    code = """
import agentgym as ag, sys
ag.Task, ag.tool, ag.call, ag.TaskSet, ag.Rubric, ag.register, ag.EnvSpec, ag.errors
print([m for m in ("numpy", "gymnasium", "pydantic") if m in sys.modules])
"""
    assert python(code) == "[]"


def test_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="module 'agentgym' has no attribute 'nonsense'"):
        _ = ag.nonsense


def test_dir_lists_every_public_name():
    assert set(ag.__all__) <= set(dir(ag))


@pytest.mark.parametrize("name", sorted(ag.__all__))
def test_public_name_is_there(name):
    assert getattr(ag, name) is not None


MAKE = "gymnasium.make('agentgym:agentgym/Math-v0')"


@pytest.mark.parametrize(
    "code",
    [
        f"import gymnasium; print({MAKE}.spec.id)",
        f"import gymnasium, agentgym; print({MAKE}.spec.id)",
        f"import agentgym, gymnasium; print({MAKE}.spec.id)",
        f"import agentgym, agentgym.registry, gymnasium; print({MAKE}.spec.id)",
        f"import agentgym; agentgym.Env; import gymnasium; print({MAKE}.spec.id)",
        f"import agentgym.env, gymnasium; print({MAKE}.spec.id)",
        "import agentgym as ag; ag.register('a/B-v0', 'c:D'); "
        f"import gymnasium; print({MAKE}.spec.id)",
        "import agentgym as ag; print(ag.make('agentgym/Math-v0').spec.id)",
        f"import agentgym, gymnasium.envs.registration; print({MAKE}.spec.id)",
    ],
)
def test_gymnasium_makes_the_built_in_environments(code):
    assert python(code, "-W", "error::UserWarning") == "agentgym/Math-v0"


def test_import_hook_is_gone_after_gymnasium():
    code = """
import sys
before = list(sys.meta_path)
import agentgym
during = len(sys.meta_path)
import gymnasium
print(during - len(before), sys.meta_path == before)
"""
    assert python(code) == "1 True"


def test_threads_may_import_gymnasium_and_make_at_once():
    code = """
import threading
import agentgym as ag
barrier = threading.Barrier(4)
done = []
def importing():
    barrier.wait(); import gymnasium; done.append(1)
def making():
    barrier.wait(); ag.make("agentgym/Math-v0"); done.append(1)
threads = [threading.Thread(target=t, daemon=True) for t in (importing, making) * 2]
[t.start() for t in threads]
[t.join(60) for t in threads]
print(len(done))
"""
    assert python(code) == "4"


@pytest.mark.parametrize("name", ["train", "rollout", "evaluate"])
@pytest.mark.parametrize("first", ["", "import agentgym.{name}.{part}; "])
def test_package_can_be_called_in_any_order_of_imports(name, first):
    part = {"train": "config", "rollout": "spec", "evaluate": "statistics"}[name]
    code = first.format(name=name, part=part) + (
        f"import agentgym as ag, types; assert callable(ag.{name}); "
        f"assert isinstance(ag.{name}, types.ModuleType)\n"
        f"try: ag.{name}(no_such_argument=1)\n"
        f"except TypeError as error: print(error)"
    )
    assert python(code).startswith(f"{name}() ")
