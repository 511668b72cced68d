import pytest
from gymnasium.error import ResetNeeded
from gymnasium.spaces import Space
from hypothesis import given
from hypothesis import strategies as st

import agentgym as ag
from agentgym.chat.toolcalls import render
from agentgym.env import clip_text
from agentgym.errors import ConfigError, EnvironmentFault, UnknownTask, UsageError

ADD = render(ag.call("add", a=3))


@pytest.fixture
def env(demo):
    env = demo.Sum()
    yield env
    env.close()


def start(env, task_id="train-3", seed=0):
    return env.reset(seed=seed, options={"task_id": task_id})


def test_reset_says_instructions_and_prompt(env):
    observation, info = start(env)
    assert observation == "Use add.\n\n3 + 100?"
    assert info == {
        "task_id": "train-3",
        "messages": [
            {"role": "system", "content": "Use add."},
            {"role": "user", "content": "3 + 100?"},
        ],
        "tool_calls": [],
    }


def test_reset_without_instructions_has_no_system_message(demo):
    _, info = start(demo.Echo(), "one")
    assert info["messages"] == [{"role": "user", "content": "uno"}]


def test_reset_draws_the_same_task_from_the_same_seed(env):
    drawn = [env.reset(seed=11)[1]["task_id"] for _ in range(3)]
    assert len(set(drawn)) == 1


def test_reset_without_seed_goes_on_drawing(env):
    env.reset(seed=1)
    assert len({env.reset()[1]["task_id"] for _ in range(40)}) > 5


def test_rng_is_the_same_for_a_drawn_and_a_named_task(env):
    task_id = env.reset(seed=5)[1]["task_id"]
    drawn = env.rng.random()
    start(env, task_id, seed=5)
    assert env.rng.random() == drawn


def test_reset_refuses_a_task_of_another_split(env):
    with pytest.raises(UnknownTask, match=r"no task 'test-1' in split 'train'; it has 20 tasks"):
        start(env, "test-1")


def test_reset_refuses_an_unknown_option(env):
    with pytest.raises(UsageError, match="no reset option"):
        env.reset(options={"task": "train-1"})


def test_reset_refuses_an_unknown_split(demo):
    with pytest.raises(ConfigError, match="no split 'tets'; did you mean 'test'"):
        demo.Sum(split="tets").reset()


def test_step_runs_a_tool(env):
    start(env)
    observation, reward, terminated, truncated, info = env.step(ADD)
    assert (observation, reward, terminated, truncated) == ("103", 0.0, False, False)
    assert info["messages"] == [{"role": "tool", "content": "103", "name": "add"}]
    assert info["tool_calls"] == ["add"]
    assert "verdict" not in info


def test_step_runs_several_calls_in_order(env):
    start(env)
    _, _, _, _, info = env.step(render(ag.call("shout", text="a")) + ADD)
    assert [m["content"] for m in info["messages"]] == ["A", "103"]
    assert info["tool_calls"] == ["shout", "add"]


def test_step_without_a_call_is_the_answer(env):
    start(env)
    observation, reward, terminated, truncated, info = env.step("103")
    assert (observation, reward, terminated, truncated) == ("", 1.0, True, False)
    assert info["verdict"].score == 1.0


def test_step_with_a_wrong_answer_gives_nothing(env):
    start(env)
    assert env.step("104")[1:4] == (0.0, True, False)


def test_step_reads_a_broken_call_as_an_error(env):
    start(env)
    observation, reward, terminated, _, info = env.step('<tool_call>{"name": </tool_call>')
    assert observation.startswith("error: malformed tool call")
    assert (reward, terminated) == (0.0, False)
    assert info["tool_calls"] == []
    assert "name" not in info["messages"][0]


def test_step_answers_an_unknown_tool(env):
    start(env)
    observation, *_, info = env.step(render(ag.call("ad", a=1)))
    assert observation == "error: no tool 'ad'; did you mean 'add'?"
    assert info["messages"] == [{"role": "tool", "content": observation}]


def test_step_shows_a_tool_error(env):
    start(env)
    assert env.step(render(ag.call("refuse")))[0] == "error: not today"


def test_step_makes_a_bug_in_a_tool_a_fault(env):
    start(env)
    with pytest.raises(EnvironmentFault, match="Sum: respond raised ZeroDivisionError"):
        env.step(render(ag.call("explode")))


def test_step_after_a_fault_needs_a_reset(env):
    start(env)
    with pytest.raises(EnvironmentFault):
        env.step(render(ag.call("explode")))
    with pytest.raises(ResetNeeded):
        env.step("103")


def test_step_before_reset_is_refused(env):
    with pytest.raises(ResetNeeded, match="call reset"):
        env.step("103")


def test_step_after_the_end_is_refused(env):
    start(env)
    env.step("103")
    with pytest.raises(ResetNeeded):
        env.step("103")


def test_task_before_reset_is_refused(env):
    with pytest.raises(ResetNeeded):
        _ = env.task


def test_turn_limit_truncates_with_a_verdict(demo):
    env = demo.Sum(max_turns=2)
    start(env)
    env.step(ADD)
    observation, reward, terminated, truncated, info = env.step(ADD)
    assert (observation, reward, terminated, truncated) == ("103", 0.0, False, True)
    assert info["verdict"].reason == "no answer within 2 turns"


def test_turn_limit_of_one_terminates(demo):
    env = demo.Sum(max_turns=1)
    start(env)
    assert env.step(ADD)[1:4] == (0.0, True, False)


def test_turn_limit_must_be_positive(demo):
    with pytest.raises(UsageError, match="max_turns must be at least 1, not 0"):
        demo.Sum(max_turns=0)


def test_observation_is_cut_in_its_middle(demo):
    env = demo.Sum(max_observation_chars=10)
    start(env)
    text = "a" * 5 + "x" * 7 + "b" * 5
    observation = env.step(render(ag.call("shout", text=text)))[0]
    assert observation == "AAAAA\n[... 7 characters cut ...]\nBBBBB"


@given(st.text(max_size=60), st.integers(1, 30))
def test_clip_text_keeps_both_ends(text, limit):
    clipped = clip_text(text, limit)
    assert clipped[: (limit + 1) // 2] == text[: (limit + 1) // 2]
    if len(text) > limit:
        assert f"[... {len(text) - limit} characters cut ...]" in clipped
    else:
        assert clipped == text


def test_messages_are_fresh_copies(env):
    _, first = start(env)
    first["messages"][0]["content"] = "changed"
    _, second = start(env)
    assert second["messages"][0]["content"] == "Use add."


def test_tools_are_fresh_copies(env):
    env.tools[0]["function"]["name"] = "changed"
    assert [tool["function"]["name"] for tool in env.tools] == [
        "add",
        "shout",
        "refuse",
        "explode",
    ]


def test_tools_are_empty_by_default(demo):
    assert demo.Echo().tools == []


@given(st.text(st.characters(codec=None), max_size=40))
def test_step_survives_any_text(text):
    class Any(ag.Env):
        tasks = ag.TaskSet.of([ag.Task("a", "p")])

        def respond(self, action):
            return ag.Reply((ag.Message("user", text),), ag.Verdict(0.0))

    env = Any()
    env.reset(seed=0)
    assert env.step(text)[0] in env.observation_space


def test_surrogates_become_question_marks(demo):
    class Mirror(demo.Echo):
        def respond(self, action):
            return ag.Reply((ag.Message("user", action),))

    env = Mirror()
    start(env, "one")
    assert env.step("a\ud800b")[0] == "a?b"


def test_oracle_without_argument_yields_text(env):
    start(env)
    assert list(env.oracle()) == [ADD, "103"]


def test_oracle_is_solved_by_its_own_actions(env):
    start(env)
    rewards = [env.step(action)[1] for action in env.oracle()]
    assert rewards == [0.0, 1.0]


def test_oracle_of_a_subclass_can_extend_its_base(demo):
    class Polite(demo.Sum):
        def oracle(self, task):
            yield ag.call("shout", text="hi")
            yield from super().oracle(task)

    env = Polite()
    start(env)
    assert list(env.oracle()) == [render(ag.call("shout", text="hi")), ADD, "103"]


def test_oracle_may_be_written_without_a_task(demo):
    class Plain(demo.Echo):
        def oracle(self):
            yield self.task.answer

    env = Plain()
    start(env, "two")
    assert list(env.oracle()) == ["due"]


def test_oracle_sees_the_environment_as_it_is_stepped(demo):
    class Watching(demo.Sum):
        def oracle(self, task):
            yield ag.call("add", a=1)
            yield f"after {self.turns}"

    env = Watching()
    start(env)
    actions = env.oracle()
    env.step(next(actions))
    assert next(actions) == "after 1"


def test_missing_oracle_says_what_to_define():
    class Bare(ag.Env):
        tasks = ag.TaskSet.of([ag.Task("a", "p")])

    with pytest.raises(UsageError, match="Bare has no oracle; define oracle"):
        Bare().oracle()


def test_end_runs_once_per_episode(env):
    start(env)
    log = env.log
    start(env)
    assert log == ["begin", "end"]
    env.close()
    env.close()
    assert env.log == ["begin", "end"]


def test_end_runs_after_a_begin_that_failed(demo):
    ended = []

    class Failing(demo.Sum):
        def begin(self, task):
            raise OSError("no room")

        def end(self):
            ended.append(True)

    env = Failing()
    with pytest.raises(EnvironmentFault, match="begin raised OSError: no room"):
        env.reset(seed=0)
    env.close()
    assert ended == [True]


def test_bug_in_score_is_a_fault(demo):
    class Buggy(demo.Sum):
        def score(self, task, answer):
            return {}["missing"]

    env = Buggy()
    start(env)
    with pytest.raises(EnvironmentFault, match="KeyError"):
        env.step("103")


def test_render_shows_the_conversation(demo):
    env = demo.Echo(render_mode="ansi")
    start(env, "one")
    env.step("uno")
    assert env.render() == "[user] uno\n\n[assistant] uno"


def test_render_without_a_mode_shows_nothing(env):
    start(env)
    assert env.render() is None


def test_text_space_contains_text_only():
    space = ag.TextSpace(max_length=3)
    assert isinstance(space, Space)
    assert "añ " in space
    assert "abcd" not in space
    assert 3 not in space
    assert "\ud800" not in space


def test_text_space_samples_itself_repeatably():
    space = ag.TextSpace(max_length=8)
    space.seed(3)
    first = [space.sample() for _ in range(20)]
    space.seed(3)
    assert first == [space.sample() for _ in range(20)]
    assert all(text in space for text in first)


def test_text_space_samples_its_examples():
    space = ag.TextSpace(examples=("yes", "no"), seed=0)
    assert {space.sample() for _ in range(30)} == {"yes", "no"}


def test_text_spaces_are_equal_by_value():
    assert ag.TextSpace(5) == ag.TextSpace(5)
    assert ag.TextSpace(5) != ag.TextSpace(6)
