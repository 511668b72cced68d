import threading

import gymnasium
import pytest

import agentgym as ag
from agentgym import registry
from agentgym.chat.toolcalls import render
from agentgym.errors import ConfigError, DuplicateEnvironment, UnknownEnvironment, UsageError


class Point:
    """An entry point that the tests offer in place of an installed one."""

    dist = None
    module = "broken_plugin"
    value = "broken_plugin:register_envs"

    def __init__(self, name, target):
        self.name = name
        self.target = target

    def load(self):
        return self.target


@pytest.fixture
def offer(monkeypatch, clean_registry):
    def install(name, target):
        def points(*, group, name=None):
            return [point for point in [offered] if name in (None, point.name)]

        offered = Point(name, target)
        monkeypatch.setattr(registry, "entry_points", points)

    return install


def test_make_gives_the_bare_environment(demo):
    env = ag.make("core/Sum-v0", split="test", max_turns=3)
    assert type(env) is demo.Sum
    assert (env.split, env.max_turns) == ("test", 3)


def test_make_imports_the_module_before_the_colon(write_module, clean_registry):
    write_module(
        "late_demo",
        """
        import agentgym as ag
        ag.register("late/Echo-v0", "late_demo:Echo")

        class Echo(ag.Env):
            tasks = ag.TaskSet.of([ag.Task("a", "p")])
        """,
    )
    assert ag.make("late_demo:late/Echo-v0").spec.id == "late/Echo-v0"


def test_make_refuses_an_unknown_module():
    with pytest.raises(UnknownEnvironment, match="no module 'no_such_module' for environment"):
        ag.make("no_such_module:x/Y-v0")


def test_make_names_the_nearest_id(demo):
    with pytest.raises(UnknownEnvironment) as caught:
        ag.make("core/sun-v0")
    assert str(caught.value) == "no environment 'core/sun-v0'; did you mean 'core/Sum-v0'?"


def test_make_names_an_argument_that_is_not_taken(demo):
    with pytest.raises(ConfigError, match="'core/Sum-v0' takes no argument 'splt'"):
        ag.make("core/Sum-v0", splt="test")


def test_make_finds_the_built_in_namespace():
    assert ag.make("agentgym/Math-v0").spec.id == "agentgym/Math-v0"


def test_register_twice_alike_changes_nothing(demo):
    ag.register("core/Sum-v0", "core_demo:Sum")
    assert ag.spec("core/Sum-v0").entry_point == "core_demo:Sum"


@pytest.mark.parametrize("other", [("core_demo:Echo", None), ("core_demo:Sum", {"split": "test"})])
def test_register_refuses_another_environment_of_the_same_id(demo, other):
    with pytest.raises(DuplicateEnvironment, match="'core/Sum-v0' is registered already"):
        ag.register("core/Sum-v0", other[0], kwargs=other[1])
    assert ag.spec("core/Sum-v0").entry_point == "core_demo:Sum"


@pytest.mark.parametrize("entry_point", [gymnasium.Env, "module.Class", "a:b:c", ""])
def test_register_refuses_an_entry_point_that_is_no_text(entry_point):
    with pytest.raises(UsageError, match="must be a text 'module:Class'"):
        ag.register("core/Bad-v0", entry_point)


@pytest.mark.parametrize("kwargs", [{"f": len}, {"t": (1, 2)}, {"s": {1}}])
def test_register_refuses_arguments_that_are_not_json(kwargs):
    with pytest.raises(UsageError, match="must be plain JSON"):
        ag.register("core/Bad-v0", "core_demo:Sum", kwargs=kwargs)


def test_register_refuses_a_malformed_id():
    with pytest.raises(UsageError, match="cannot register 'a/b/c-v0'"):
        ag.register("a/b/c-v0", "core_demo:Sum")


def test_spec_is_a_copy(demo):
    ag.spec("core/Sum-v0").kwargs["split"] = "test"
    assert ag.spec("core/Sum-v0").kwargs == {}


def test_spec_survives_json(demo):
    spec = ag.spec("core/Sum-v0")
    again = gymnasium.envs.registration.EnvSpec.from_json(spec.to_json())
    assert again == spec
    assert again.make(split="test").unwrapped.split == "test"


@pytest.mark.parametrize("mode", ["sync", "async"])
def test_make_vec_steps_texts(demo, mode):
    envs = ag.make_vec("core/Sum-v0", 2, mode=mode, split="test")
    try:
        observations, infos = envs.reset(seed=[1, 2])
        assert all(text.startswith("Use add.\n\n") for text in observations)
        assert len(infos["task_id"]) == 2
        call = render(ag.call("add", a=1, b=2))
        observations, rewards, terminated, _, _ = envs.step((call, "wrong"))
        assert list(observations) == ["3", ""]
        assert list(rewards) == [0.0, 0.0]
        assert list(terminated) == [False, True]
    finally:
        envs.close()


def test_make_vec_resets_in_the_same_step_if_asked(demo):
    envs = ag.make_vec("core/Echo-v0", 1, autoreset="same_step")
    envs.reset(seed=0)
    observations, *_ = envs.step(("no",))
    assert observations[0] in ("uno", "due")
    envs.close()


def test_list_envs_describes_each_environment(demo):
    rows = {row.id: row for row in ag.list_envs()}
    assert rows["core/Sum-v0"] == registry.EnvRow("core/Sum-v0", "add two numbers", "core_demo")
    assert rows["agentgym/Math-v0"].source == "agentgym_envs"
    assert "CartPole-v1" not in rows


def test_plugin_is_loaded_when_its_namespace_is_asked_for(offer):
    loads = []

    def register_envs():
        loads.append(1)
        ag.register("plug/Echo-v0", "core_demo:Echo")

    offer("plug", register_envs)
    with pytest.raises(UnknownEnvironment):
        ag.spec("plug/None-v0")
    assert ag.spec("plug/Echo-v0").id == "plug/Echo-v0"
    assert loads == [1]


def test_broken_plugin_costs_one_warning_and_one_row(offer):
    def register_envs():
        raise ImportError("no such library")

    offer("plug", register_envs)
    with pytest.warns(RuntimeWarning, match="'plug' .* cannot be loaded: ImportError") as caught:
        rows = [row for _ in range(2) for row in ag.list_envs() if row.error]
    assert len(caught) == 1
    assert (
        rows == [registry.EnvRow("plug/*", "", "broken_plugin", "ImportError: no such library")] * 2
    )


def test_broken_plugin_is_named_when_its_environment_is_asked_for(offer):
    def register_envs():
        raise ImportError("no such library")

    offer("plug", register_envs)
    with (
        pytest.warns(RuntimeWarning),
        pytest.raises(UnknownEnvironment, match="its plug-in cannot be loaded: ImportError"),
    ):
        ag.make("plug/Any-v0")


def test_plugin_is_whole_for_every_thread_that_asks(offer):
    inside, proceed = threading.Event(), threading.Event()

    def register_envs():
        inside.set()
        assert proceed.wait(10)
        ag.register("plug/Echo-v0", "core_demo:Echo")

    offer("plug", register_envs)
    found = []
    threads = [
        threading.Thread(target=lambda: found.append(ag.spec("plug/Echo-v0").id)) for _ in range(2)
    ]
    threads[0].start()
    assert inside.wait(10)
    threads[1].start()
    proceed.set()
    for thread in threads:
        thread.join(10)
    assert found == ["plug/Echo-v0"] * 2
