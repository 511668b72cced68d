import pytest

import agentgym as ag
from agentgym.check import CHECKS, HOSTILE, check
from agentgym.check.subject import Subject
from agentgym.errors import ConfigError, UnknownEnvironment

FLAWED = '''
import itertools
import agentgym as ag
from agentgym.wrappers import Trials, TurnLimit
from core_demo import Echo
from core_demo import Sum as Demo

counter = itertools.count()


class Sum(Demo):
    """Has no tool that fails like a bug."""

    explode = None


class Buggy(Demo):
    """Has a tool that raises."""

    refuse = None


class Polite(Sum):
    """Pays whoever repeats the question."""

    def score(self, task, answer):
        return ag.Verdict.of(sum=answer == task.answer or task.prompt in answer)


class Busy(Sum):
    """Pays for calling a tool often."""

    def begin(self, task):
        self.calls = 0
        return super().begin(task)

    @ag.tool
    def add(self, a: int, b: int = 100) -> int:
        """Add two whole numbers."""
        self.calls += 1
        return a + b

    def score(self, task, answer):
        return ag.Verdict.of(sum=answer == task.answer or self.calls > 2)


class Forgetful(Sum):
    """Says something else each time."""

    def begin(self, task):
        return f"{super().begin(task)} ({next(counter)})"


class Generous(Sum):
    """Accepts anything."""

    def score(self, task, answer):
        return ag.Verdict.of(any=True)


class Fragile(Sum):
    """Fails on text that is no ASCII."""

    def score(self, task, answer):
        answer.encode("ascii")
        if "\\x00" in answer:
            raise ValueError("embedded null")
        return super().score(task, answer)


class Unsolvable(Sum):
    """The oracle is wrong."""

    def oracle(self, task):
        yield ag.answer("no")


class Mute(Sum):
    """Has no oracle."""

    oracle = ag.Env.oracle


class Early(Echo):
    """Pays before the end."""

    def step(self, action):
        observation, reward, *rest = super().step(action)
        return observation, 0.5, False, False, rest[-1]


class Leaky(Sum):
    """Cannot be closed twice."""

    shut = False

    def close(self):
        super().close()
        if self.shut:
            raise OSError("closed already")
        self.shut = True


def wrapped(**kwargs):
    return Trials(TurnLimit(Sum(**kwargs), 4), 2)
'''


@pytest.fixture
def flawed(demo, write_module):
    module = write_module("core_flawed", FLAWED)
    for name in (
        *("Sum", "Buggy", "Polite", "Busy", "Forgetful", "Generous", "Fragile", "Unsolvable"),
        *("Mute", "Early", "Leaky"),
    ):
        ag.register(f"flawed/{name}-v0", f"core_flawed:{name}")
    ag.register("flawed/Wrapped-v0", "core_flawed:wrapped")
    return module


def failed(report):
    return {row.name: row.detail for row in report.rows if not row.ok}


@pytest.mark.parametrize("env_id", ["flawed/Sum-v0", "core/Echo-v0", "flawed/Wrapped-v0"])
def test_check_accepts_a_sound_environment(flawed, env_id):
    report = check(env_id, tasks=2)
    assert failed(report) == {}
    assert report.ok
    assert [row.name for row in report.rows] == list(CHECKS)


def test_check_passes_arguments_on(flawed):
    assert check("flawed/Sum-v0", kwargs={"split": "test", "max_turns": 2}).ok


def test_check_finds_an_episode_that_is_too_short_for_the_oracle(flawed):
    report = check("flawed/Sum-v0", kwargs={"max_turns": 1})
    assert failed(report) == {"oracle": "task train-0: the oracle scores 0.0 in 1 steps"}


def test_check_finds_what_differs_on_a_replay(flawed):
    details = failed(check("flawed/Forgetful-v0"))
    assert details["replay"].startswith("reset differs on a replay")
    assert "non-deterministic" in details["gymnasium"]


def test_check_finds_a_reward_for_nothing(flawed):
    details = failed(check("flawed/Generous-v0"))
    assert details["constants"] == "task train-0: the answer '' scores 1.0"
    assert details["hostile"] == "empty: reward 1.0 for a hostile action"


def test_check_finds_pay_for_repeating_the_question(flawed):
    # The second task's: the first one's prompt, "0 + 100?", holds its gold.
    assert failed(check("flawed/Polite-v0")) == {
        "echo": "task train-1: the prompt as the answer scores 1.0"
    }


def test_echo_forgives_a_gold_that_is_in_the_prompt_by_chance(flawed, write_module):
    write_module(
        "core_last",
        """
        import re
        import agentgym as ag
        from core_flawed import Sum

        class Last(Sum):
            def score(self, task, answer):
                return ag.Verdict.of(sum=re.findall("[0-9]+", answer)[-1:] == [task.answer])
        """,
    )
    ag.register("flawed/Last-v0", "core_last:Last")
    row = CHECKS["echo"](Subject("flawed/Last-v0"))
    # of the first task only: "0 + 100?" is 100
    assert row.detail == "0.0 for 8 echoes; 2 more held the gold by chance"


def test_check_finds_pay_for_calling_tools(flawed):
    # The second task's: the first one's gold, 100, is an argument by default.
    assert failed(check("flawed/Busy-v0")) == {
        "spam": "task train-1: calling all tools again and again, then a constant scores 1.0"
    }


def test_check_finds_a_tool_that_raises(flawed):
    details = failed(check("flawed/Buggy-v0", tasks=1))
    assert list(details) == ["spam"]
    assert "ZeroDivisionError" in details["spam"]


def test_rows_that_need_the_oracle_are_not_applicable_without(flawed):
    report = check("flawed/Mute-v0")
    status = {row.name: row.status for row in report.rows}
    assert [status[name] for name in ("mutated", "time", "memory")] == ["not applicable"] * 3
    assert (status["oracle"], status["leftovers"], status["hidden"]) == ("failed", "ok", "ok")


def test_check_finds_an_action_that_raises(flawed):
    details = failed(check("flawed/Fragile-v0"))
    assert details["hostile"].startswith("NULs: step raised EnvironmentFault: Fragile: respond")


def test_check_finds_an_oracle_that_is_wrong(flawed):
    assert failed(check("flawed/Unsolvable-v0")) == {
        "oracle": "task train-0: the oracle scores 0.0 in 1 steps"
    }


def test_check_finds_a_missing_oracle(flawed):
    assert "Mute has no oracle" in failed(check("flawed/Mute-v0"))["oracle"]


def test_check_finds_a_reward_before_the_end(flawed):
    details = failed(check("flawed/Early-v0"))
    assert details["constants"] == "reward 0.5 before the end of the episode"


def test_check_finds_an_environment_that_cannot_be_closed_twice(flawed):
    assert failed(check("flawed/Leaky-v0"))["close"] == "OSError: closed already"


def test_check_of_a_foreign_environment_fails_in_rows(clean_registry):
    report = check("CartPole-v1")
    assert not report.ok
    assert "oracle" in failed(report)


def test_check_raises_for_a_caller_s_mistake(flawed):
    with pytest.raises(UnknownEnvironment):
        check("core/Smu-v0")
    with pytest.raises(ConfigError):
        check("flawed/Sum-v0", kwargs={"splt": "test"})


def test_hostile_actions_are_large_and_odd():
    assert max(map(len, HOSTILE.values())) >= 99_000
    assert any("\ud800" in action for action in HOSTILE.values())


@pytest.mark.parametrize("env_id", ["agentgym/Math-v0", "agentgym/PythonMath-v0"])
def test_check_accepts_the_built_in_environments(env_id):
    assert failed(check(env_id)) == {}
