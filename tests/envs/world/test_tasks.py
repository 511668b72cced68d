from __future__ import annotations

import string

import pytest

from agentgym.errors import ConfigError, UnknownTask
from agentgym_envs.world.apps import APPS
from agentgym_envs.world.database import Database
from agentgym_envs.world.difficulty import LEVELS, level_of, points
from agentgym_envs.world.episode import start
from agentgym_envs.world.scenario import SPLITS, Scenario, complete, complete_if, log_in
from agentgym_envs.world.scenarios import all_scenarios
from agentgym_envs.world.scenarios.pay_basics import TotalSent
from agentgym_envs.world.tasks import WorldTasks, _first, scenarios_named
from agentgym_envs.world.variations import situation_of

SCENARIOS = all_scenarios()


@pytest.mark.parametrize("scenario", SCENARIOS, ids=[each.name for each in SCENARIOS])
def test_scenario_declares_what_it_is(scenario: Scenario) -> None:
    assert scenario.split in SPLITS
    assert set(scenario.apps) <= APPS.keys()
    params = situation_of(scenario, 1, "small", 0).params
    for phrasing in scenario.phrasings:
        named = {name for _, name, _, _ in string.Formatter().parse(phrasing) if name}
        assert named <= params.keys(), phrasing


@pytest.mark.parametrize("scenario", SCENARIOS, ids=[each.name for each in SCENARIOS])
def test_question_is_asked_only_where_an_answer_is_wanted(
    scenario: Scenario, world: Database
) -> None:
    tasks = [situation_of(scenario, number, "small", 0) for number in (1, 2, 3)]
    if all(start(world, task).expected.answer is None for task in tasks):
        assert [text for text in scenario.phrasings if "?" in text] == []


def test_each_scenario_has_three_tasks_in_its_split() -> None:
    tasks = WorldTasks("small", scenarios=[TotalSent()])
    ids = ["pay_total_sent_1", "pay_total_sent_2", "pay_total_sent_3"]
    assert tasks.ids("train") == ids
    with pytest.raises(ConfigError, match="split 'dev' has no tasks"):
        tasks.ids("dev")


def test_siblings_differ_in_person_and_phrasing() -> None:
    found = [WorldTasks("small").get(f"pay_total_sent_{n}") for n in (1, 2, 3)]
    assert len({task.metadata["person_id"] for task in found}) == 3
    assert len({task.prompt.split(" ")[0] for task in found}) == 3


def test_task_is_the_same_each_time_and_another_in_another_world() -> None:
    first, again = (WorldTasks("small").get("pay_total_sent_7") for _ in range(2))
    assert first == again
    assert WorldTasks("small", seed=1).get("pay_total_sent_7") != first


def test_levels_share_the_tasks_out() -> None:
    every = set(WorldTasks("small").ids("train"))
    found: list[str] = []
    for level in LEVELS:
        try:
            found += WorldTasks("small", level=level).ids("train")
        except ConfigError:
            continue
    assert sorted(found) == sorted(every)


def test_two_scenarios_of_one_name_are_refused() -> None:
    with pytest.raises(ConfigError, match="two scenarios have one name"):
        WorldTasks("small", scenarios=[TotalSent(), TotalSent()])


def test_points_count_apps_apis_and_calls() -> None:
    calls = {"supervisor.show_profile": 1, "pay.login": 1, "pay.send_money": 1, "mail.send": 2}
    assert points(calls) == 2 + 2 * 2 + 2  # two APIs, two apps, log2(1 + 3)
    assert points({}) == 0


def test_level_follows_the_oracle() -> None:
    assert level_of(TotalSent(), 1, "small", 0) == 1


def test_task_that_cannot_be_done_is_as_hard_as_its_siblings() -> None:
    [scenario] = [each for each in SCENARIOS if each.name == "notes_check_item"]
    assert not situation_of(scenario, 1, "small", 0).params["there"]
    assert [level_of(scenario, number, "small", 0) for number in (1, 2, 3)] == [2, 2, 2]


def test_oracle_cells() -> None:
    assert "username=profile['phone_number'], password=passwords['phone']" in log_in("phone")
    assert complete("x + 1") == "apis.supervisor.complete_task(answer=x + 1)"
    assert complete(status="fail") == "apis.supervisor.complete_task(status='fail')"
    assert complete_if("x") == "apis.supervisor.complete_task(status='success' if x else 'fail')"


def oracles(tasks: WorldTasks, split: str) -> list[list[str]]:
    found = [tasks.situation(task_id) for task_id in tasks.ids(split)]
    return [situation.oracle() for situation in found if situation is not None]


def test_no_solution_of_a_held_out_variation_is_one_of_training() -> None:
    tasks = WorldTasks("small", scenarios=[TotalSent()], variations=30)
    train, held_out = oracles(tasks, "train"), oracles(tasks, "held_out")
    assert (len(train), len(held_out)) == (30, 30)
    assert [cells for cells in held_out if cells in train] == []


def test_variations_are_further_ones_of_every_split_in_turn() -> None:
    names = ("pay_total_sent", "pay_approve_request", "pay_spent_on")
    tasks = WorldTasks("small", scenarios=scenarios_named(names), variations=4)
    found = [task_id.rpartition("_")[0] for task_id in tasks.ids("train")]
    assert found == ["pay_total_sent", "pay_approve_request"] * 4
    assert tasks.ids("dev") == [f"pay_spent_on_{n}" for n in (1, 2, 3, 4)]


def test_variation_is_found_in_its_own_split_alone() -> None:
    tasks = WorldTasks("small", scenarios=[TotalSent()], variations=4)
    held_out = tasks.ids("held_out")[0]
    assert tasks.get(held_out, "held_out").split == "held_out"
    with pytest.raises(UnknownTask):
        tasks.get(held_out, "train")


def test_official_tasks_have_no_held_out_split() -> None:
    assert WorldTasks("small").splits == SPLITS
    assert WorldTasks("small").get("pay_total_sent_7").split == "train"


def test_variations_too_few_or_too_rare_are_refused() -> None:
    with pytest.raises(ConfigError, match="variations must be at least 1, not 0"):
        WorldTasks("small", variations=0)
    with pytest.raises(ConfigError, match="'pay_total_sent' has 0 of 1 variations in split 'no'"):
        _first(TotalSent(), "no", 1, "small", 0)


def test_scenarios_are_chosen_by_name() -> None:
    assert [each.name for each in scenarios_named(["pay_total_sent"])] == ["pay_total_sent"]
    assert scenarios_named(None) == SCENARIOS
    with pytest.raises(ConfigError, match="no scenario 'pay_total'; perhaps you meant 'pay_to"):
        scenarios_named(["pay_total"])
