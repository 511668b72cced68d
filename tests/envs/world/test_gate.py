from __future__ import annotations

from dataclasses import replace

import pytest

from agentgym_envs.world.database import Database, Row
from agentgym_envs.world.gate import admit, majority_share
from agentgym_envs.world.scenario import (
    Expected,
    Insert,
    Params,
    Scenario,
    Situation,
    complete,
    log_in,
)
from agentgym_envs.world.scenarios import all_scenarios
from agentgym_envs.world.scenarios.pay_basics import TotalSent
from agentgym_envs.world.variations import situation_of

SCENARIOS = all_scenarios()


def situations(scenario: Scenario) -> list[Situation]:
    return [situation_of(scenario, number, "small", 0) for number in (1, 2, 3)]


@pytest.mark.parametrize("scenario", SCENARIOS, ids=[each.name for each in SCENARIOS])
def test_every_task_of_a_scenario_is_admitted(scenario: Scenario, world: Database) -> None:
    tasks = situations(scenario)
    problems = [
        line
        for number, task in enumerate(tasks)
        for line in admit(world, task, tasks[(number + 1) % len(tasks)])
    ]
    assert problems == []


def test_majority_counts_what_can_be_guessed_without_a_look(world: Database) -> None:
    names = ("pay_approve_request", "pay_total_sent", "pay_cancel_no_request")
    tasks = [task for each in SCENARIOS if each.name in names for task in situations(each)]
    assert majority_share(world, tasks) == 3 / 9


@pytest.mark.parametrize(
    ("split", "least"), [("train", 30), ("dev", 8), ("test_normal", 12), ("test_challenge", 10)]
)
def test_each_split_has_enough_scenarios(split: str, least: int) -> None:
    assert len([each for each in SCENARIOS if each.split == split]) >= least


def test_every_challenge_scenario_needs_an_app_that_no_other_split_touches() -> None:
    for each in SCENARIOS:
        oracle = "\n".join(situations(each)[0].oracle())
        new = {app for app in ("calendar", "files") if f"apis.{app}." in oracle}
        assert new == {"calendar", "files"} & set(each.apps)
        assert bool(new) == (each.split == "test_challenge")


def test_challenge_needs_two_apps_that_no_training_scenario_touches() -> None:
    touched = {
        split: {app for each in SCENARIOS if each.split == split for app in each.apps}
        for split in ("train", "test_challenge")
    }
    assert touched["test_challenge"] - touched["train"] == {"calendar", "files"}


@pytest.mark.parametrize("split", ["test_normal", "test_challenge"])
def test_no_answer_fits_more_than_a_tenth_of_a_test_split(split: str, world: Database) -> None:
    tasks = [task for each in SCENARIOS if each.split == split for task in situations(each)]
    assert majority_share(world, tasks) <= 0.10


class Loose(TotalSent):
    """Asks for nothing."""

    def expected(self, db: Database, person: Row, params: Params) -> Expected:
        return Expected(allowed=("pay_transactions", "pay_likes"))

    def oracle(self, params: Params) -> list[str]:
        rows = "apis.pay.show_transactions(access_token=tokens['pay'], direction='sent')"
        like = "apis.pay.like_transaction(access_token=tokens['pay'], transaction_id="
        return [log_in("pay"), f"rows = {rows}", f"{like}rows[0]['transaction_id'])", complete()]


class Wrong(Loose):
    """Expects what its oracle does not do."""

    def expected(self, db: Database, person: Row, params: Params) -> Expected:
        return Expected(changes=(Insert("pay_reminders"),), allowed=("pay_likes",))


def test_gate_refuses_a_task_that_asks_for_nothing(world: Database) -> None:
    one, two = (replace(task, scenario=Loose()) for task in situations(TotalSent())[:2])
    problems = admit(world, one, two)
    assert [line.split(": ", 1)[1] for line in problems] == [
        "nothing fails: doing nothing passes",
        "sibling fails: the oracle of pay_total_sent_2 passes",
        "every write counts: the oracle passes without its write 1",
    ]


def test_gate_refuses_an_oracle_that_fails(world: Database) -> None:
    one, two = (replace(task, scenario=Wrong()) for task in situations(TotalSent())[:2])
    assert "oracle passes: failed: 1: insert pay_reminders" in admit(world, one, two)[0]


def test_gate_leaves_the_world_as_it_was(world: Database) -> None:
    before = world.contents()
    one, two = situations(SCENARIOS[0])[:2]
    admit(world, one, two)
    assert world.contents() == before
