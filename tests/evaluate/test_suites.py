from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import agentgym as ag
from agentgym.errors import ConfigError, UnknownEnvironment
from agentgym.evaluate import suites
from agentgym.evaluate.config import EvalConfig
from agentgym.evaluate.plan import asked_for
from agentgym.evaluate.suites import (
    SuiteEntry,
    entries_of,
    labelled,
    list_suites,
    load_suite,
    register_suite,
    suite,
)

MATH = "agentgym/Math-v0"
PYTHON = "agentgym/PythonMath-v0"


@pytest.fixture(autouse=True)
def _forgotten() -> Iterator[None]:
    """Forget what a test registered."""
    list_suites()  # those of plug-ins are registered once
    before = dict(suites._suites)
    yield
    suites._suites.clear()
    suites._suites.update(before)


def written(folder: Path, text: str) -> Path:
    file = folder / "mine.toml"
    file.write_text(text)
    return file


def test_register_suite_takes_ids_mappings_and_entries() -> None:
    ag.register_suite("mine", [MATH, {"env": MATH, "kwargs": {"level": 2}}, SuiteEntry(PYTHON)])
    assert suite("mine").entries == (
        SuiteEntry(MATH),
        SuiteEntry(MATH, {"level": 2}),
        SuiteEntry(PYTHON),
    )


def test_register_suite_twice_in_the_same_way_changes_nothing() -> None:
    register_suite("mine", [MATH], "about")
    register_suite("mine", [MATH], "about")
    with pytest.raises(ConfigError, match="suite 'mine' is registered already"):
        register_suite("mine", [PYTHON], "about")


@pytest.mark.parametrize("name", ["", "two words", "a/b", "mine.toml", "demo-v0"])
def test_register_suite_refuses_a_name_that_could_not_be_asked_for(name: str) -> None:
    with pytest.raises(ConfigError, match="a suite's name must be a word"):
        register_suite(name, [MATH])


@pytest.mark.parametrize(
    ("entry", "why"),
    [
        ({"kwargs": {}}, "names no environment"),
        ({"env": MATH, "task": 3}, "an entry has no 'task'; perhaps you meant 'tasks'"),
        ({"env": MATH, "tasks": 0}, "'tasks' of an entry cannot be 0"),
        ({"env": MATH, "tasks": True}, "'tasks' of an entry cannot be True"),
        ({"env": MATH, "tasks": []}, "'tasks' of an entry cannot be"),
        ({"env": MATH, "rollouts": 1.5}, "'rollouts' of an entry cannot be 1.5"),
        ({"env": MATH, "kwargs": "level=1"}, "'kwargs' of an entry cannot be"),
        ({"env": 7}, "'env' of an entry cannot be 7"),
    ],
)
def test_register_suite_says_what_is_wrong_with_an_entry(entry: dict[str, Any], why: str) -> None:
    with pytest.raises(ConfigError, match=why):
        register_suite("mine", [entry])


def test_suite_needs_an_entry() -> None:
    with pytest.raises(ConfigError, match="has no entries"):
        register_suite("mine", [])


def test_built_in_suites_are_there() -> None:
    assert {"all", "math", "python", "starter", "world"} <= {each.name for each in list_suites()}
    every = [entry for name in ("math", "python", "world") for entry in suite(name).entries]
    assert list(suite("all").entries) == every


@pytest.mark.parametrize("name", ["math", "python", "starter", "world"])
def test_built_in_suites_name_splits_and_arguments_that_exist(name: str) -> None:
    for entry in suite(name).entries:
        env = ag.make(entry.env, split=entry.split, **entry.kwargs)
        assert len(env.unwrapped.tasks.ids(entry.split)) > 1
        env.close()


def test_load_suite_reads_a_file(tmp_path: Path) -> None:
    file = written(
        tmp_path,
        'description = "about"\n[[entries]]\nenv = "agentgym/Math-v0"\nkwargs = {level = 2}\n'
        'tasks = ["test-3", "test-1"]\nrollouts = 4\nsplit = "test"\nname = "two"\n',
    )
    found = load_suite(file)
    assert (found.name, found.description) == ("mine", "about")
    expected = SuiteEntry(MATH, {"level": 2}, "test", ("test-3", "test-1"), 4, "two")
    assert found.entries == (expected,)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("entries = 3", "write each of its entries under"),
        ("[[entry]]\nenv = 'x'", "unknown key 'entry'; perhaps you meant 'entries'"),
        ("[[entries", "cannot read the suite"),
        ("", "has no entries"),
    ],
)
def test_load_suite_says_what_is_wrong(tmp_path: Path, text: str, why: str) -> None:
    with pytest.raises(ConfigError, match=why):
        load_suite(written(tmp_path, text))


def test_load_suite_without_a_file_says_so(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"cannot read the suite '.*none\.toml'"):
        load_suite(tmp_path / "none.toml")


def test_entries_of_a_mix_come_in_order_and_once(tmp_path: Path) -> None:
    file = written(tmp_path, '[[entries]]\nenv = "agentgym/PythonMath-v0"\n')
    register_suite("mine", [MATH])
    assert entries_of(["mine", str(file), MATH]) == [SuiteEntry(MATH), SuiteEntry(PYTHON)]


def test_entries_of_misspelt_names_say_the_nearest() -> None:
    with pytest.raises(ConfigError, match="no suite 'strater'; perhaps you meant 'starter'"):
        entries_of(["strater"])
    with pytest.raises(UnknownEnvironment, match="did you mean 'agentgym/Math-v0'"):
        entries_of(["agentgym/Mth-v0"])


def test_labels_are_ids_and_names_only_where_an_id_is_there_twice() -> None:
    entries = [
        SuiteEntry(PYTHON, name="unused"),
        SuiteEntry(MATH, {"level": 2}),
        SuiteEntry(MATH, name="plain"),
        SuiteEntry(MATH, name="plain", rollouts=2),
    ]
    expected = [PYTHON, f"{MATH}#level=2,test", f"{MATH}#plain", f"{MATH}#plain.2"]
    assert list(labelled(entries)) == expected


def test_flags_stand_over_what_suites_say() -> None:
    register_suite("mine", [SuiteEntry(MATH, {"level": 2}, "dev", 9, 3), SuiteEntry(PYTHON)])
    plain = asked_for(EvalConfig(what=("mine",), policy="null"))
    assert [(each.tasks, each.rollouts) for each in plain.values()] == [(9, 3), (50, 1)]
    flags = {"tasks": 2, "rollouts": 5, "split": "train", "env_kwargs": {"level": 3}}
    over = asked_for(EvalConfig(what=("mine",), policy="null", **flags))
    assert list(over.values()) == [
        SuiteEntry(MATH, {"level": 3}, "train", 2, 5),
        SuiteEntry(PYTHON, {"level": 3}, "train", 2, 5),
    ]


@pytest.mark.parametrize(
    ("what", "policy", "name"),
    [
        ((MATH,), "oracle", "eval-agentgym-Math-v0-oracle-s3"),
        (("math", "world"), "runs/a b", "eval-math+world-runs-a-b-s3"),
        (("dir/mine.toml",), "openai:m@http://h:1/v1", "eval-mine-openai-m-http-h-1-v1-s3"),
        (("../../x",), "../..", "eval-x-s3"),
    ],
)
def test_default_folder_is_a_safe_name(what: tuple[str, ...], policy: str, name: str) -> None:
    assert EvalConfig(what=what, policy=policy, seed=3).folder == Path("runs") / name


def test_default_folder_of_a_long_name_is_cut_and_still_its_own() -> None:
    one, two = (EvalConfig(what=("a" * 300 + end,), policy="p").folder.name for end in "xy")
    assert one != two
    assert len(one) < 110
