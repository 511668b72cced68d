import warnings

import pytest
from gymnasium.error import ResetNeeded
from gymnasium.utils.env_checker import check_env

import agentgym as ag
from agentgym.chat.toolcalls import render
from agentgym.errors import EnvironmentFault, UsageError
from agentgym.wrappers import TimeLimit, Trials, TurnLimit

ADD = render(ag.call("add", a=3))


def start(env, task_id="train-3"):
    return env.reset(seed=0, options={"task_id": task_id})


@pytest.mark.parametrize(
    "wrap",
    [
        lambda env: TurnLimit(env, 2),
        lambda env: TurnLimit(env, 1),
        lambda env: TimeLimit(env, 60.0),
        lambda env: Trials(env, 3),
        lambda env: Trials(TurnLimit(env, 2), 3, "best"),
    ],
)
@pytest.mark.parametrize("env_id", ["core/Sum-v0", "core/Echo-v0"])
def test_wrapper_passes_check_env(demo, wrap, env_id):
    env = wrap(ag.make(env_id))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warnings.filterwarnings("ignore", ".*different from the unwrapped version.*")
        check_env(env)


def test_wrapper_forwards_what_the_contract_adds(demo):
    env = TurnLimit(demo.Sum(), 5)
    start(env)
    assert env.task.id == "train-3"
    assert list(env.oracle()) == [ADD, "103"]
    assert env.tools == env.core.tools
    with pytest.raises(AttributeError):
        _ = env.nothing_like_this


def test_turn_limit_truncates(demo):
    env = TurnLimit(demo.Sum(), 2)
    start(env)
    assert env.step(ADD)[1:4] == (0.0, False, False)
    observation, reward, terminated, truncated, info = env.step(ADD)
    assert (observation, reward, terminated, truncated) == ("103", 0.0, False, True)
    assert info["verdict"].reason == "not finished within 2 turns"
    with pytest.raises(ResetNeeded):
        env.step("103")


def test_turn_limit_of_one_terminates(demo):
    env = TurnLimit(demo.Sum(), 1)
    start(env)
    assert env.step(ADD)[1:4] == (0.0, True, False)


def test_turn_limit_leaves_an_answer_on_the_last_turn_alone(demo):
    env = TurnLimit(demo.Sum(), 2)
    start(env)
    env.step(ADD)
    assert env.step("103")[1:4] == (1.0, True, False)


def test_turn_limit_starts_anew_with_each_episode(demo):
    env = TurnLimit(demo.Sum(), 2)
    for _ in range(2):
        start(env)
        assert env.step(ADD)[3] is False


def test_time_limit_is_a_fault_not_a_reward(demo):
    env = TimeLimit(demo.Sum(), 1e-9)
    start(env)
    with pytest.raises(EnvironmentFault, match="outlived its 1e-09 s"):
        env.step("103")
    with pytest.raises(ResetNeeded):
        env.step("103")


def test_time_limit_leaves_a_quick_episode_alone(demo):
    env = TimeLimit(demo.Sum(), 60.0)
    start(env)
    assert env.step("103")[1:4] == (1.0, True, False)


def test_trials_try_the_same_task_again(demo):
    env = Trials(demo.Sum(), 2)
    start(env)
    observation, reward, terminated, truncated, info = env.step("wrong")
    assert observation == "Attempt 1 of 2 was not accepted. Try again.\n\n3 + 100?"
    assert (reward, terminated, truncated) == (0.0, False, False)
    assert info["messages"] == [{"role": "user", "content": observation}]
    assert "verdict" not in info
    assert env.step("103")[1:4] == (1.0, True, False)


def test_trials_end_with_the_first_success(demo):
    env = Trials(demo.Sum(), 3)
    start(env)
    *_, info = env.step("103")
    assert info["verdict"].reason == "attempt 1 of 3: all rules hold"


def test_trials_end_with_the_last_attempt(demo):
    env = Trials(demo.Sum(), 2)
    start(env)
    env.step("wrong")
    assert env.step("wrong")[1:4] == (0.0, True, False)
    with pytest.raises(ResetNeeded):
        env.step("103")


@pytest.mark.parametrize(("keep", "score"), [("last", 0.25), ("best", 0.5)])
def test_trials_keep_the_last_or_the_best(demo, keep, score):
    class Graded(demo.Echo):
        def respond(self, action):
            return ag.Reply(verdict=ag.Verdict(float(action)))

    env = Trials(Graded(), 3, keep)
    start(env, "one")
    env.step("0.1")
    env.step("0.5")
    assert env.step("0.25")[1] == score


def test_trials_carry_on_after_a_truncated_attempt(demo):
    env = Trials(demo.Sum(max_turns=2), 2)
    start(env)
    env.step(ADD)
    observation, _, terminated, truncated, info = env.step(ADD)
    assert observation.startswith("103\n\nAttempt 1 of 2")
    assert [m["role"] for m in info["messages"]] == ["tool", "user"]
    assert (terminated, truncated) == (False, False)


@pytest.mark.parametrize(
    "wrap",
    [
        lambda env: TurnLimit(env, 0),
        lambda env: TimeLimit(env, 0.0),
        lambda env: Trials(env, 0),
        lambda env: Trials(env, 2, "first"),
    ],
)
def test_wrapper_refuses_a_limit_that_makes_no_sense(demo, wrap):
    with pytest.raises(UsageError):
        wrap(demo.Sum())
