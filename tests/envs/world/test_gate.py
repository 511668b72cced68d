from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import ClassVar

import pytest

from agentgym_envs.world.build import Size, build
from agentgym_envs.world.database import Database, Row
from agentgym_envs.world.episode import start
from agentgym_envs.world.gate import admit, majority_share
from agentgym_envs.world.scenario import (
    SPLITS,
    Expected,
    Insert,
    Params,
    Scenario,
    Situation,
    Update,
    complete,
    log_in,
)
from agentgym_envs.world.scenarios import all_scenarios
from agentgym_envs.world.scenarios.pay_basics import TotalSent
from agentgym_envs.world.variations import situation_of

SCENARIOS = all_scenarios()


CAN_FAIL = [each for each in SCENARIOS if each.can_fail]
WORLDS: tuple[tuple[Size, int], ...] = (("small", 0), ("small", 1), ("small", 2), ("full", 0))


def situations(
    scenario: Scenario, size: Size = "small", seed: int = 0, numbers: Iterable[int] = (1, 2, 3)
) -> list[Situation]:
    return [situation_of(scenario, number, size, seed) for number in numbers]


@pytest.mark.parametrize("size", ["small", "full"])
@pytest.mark.parametrize("scenario", SCENARIOS, ids=[each.name for each in SCENARIOS])
def test_every_task_of_a_scenario_is_admitted(scenario: Scenario, size: Size) -> None:
    tasks = situations(scenario, size)
    db = Database(build(size))
    problems = [
        line
        for number, task in enumerate(tasks)
        for line in admit(db, task, tasks[(number + 1) % len(tasks)])
    ]
    db.close()
    assert problems == []


def test_majority_counts_what_can_be_guessed_without_a_look(world: Database) -> None:
    names = ("pay_approve_request", "pay_total_sent", "pay_cancel_request")
    tasks = [task for each in SCENARIOS if each.name in names for task in situations(each)]
    assert majority_share(world, tasks) == 1 / 9  # one request is not there; sums are all unlike
    assert majority_share(world, [*tasks, *(tasks[-1:] * 3)]) == 4 / 12  # a sum, four times


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


@pytest.mark.parametrize("numbers", [(1, 2, 3), range(4, 13)], ids=["official", "further"])
@pytest.mark.parametrize(("size", "seed"), WORLDS)
@pytest.mark.parametrize("split", SPLITS)
def test_no_guess_is_right_for_more_than_a_tenth_of_a_split(
    split: str, size: Size, seed: int, numbers: Iterable[int]
) -> None:
    found = (situations(each, size, seed, numbers) for each in SCENARIOS if each.split == split)
    db = Database(build(size, seed))
    assert majority_share(db, [task for tasks in found for task in tasks]) <= 0.10
    db.close()


@pytest.mark.parametrize("scenario", CAN_FAIL, ids=[each.name for each in CAN_FAIL])
def test_one_of_three_siblings_cannot_be_done(scenario: Scenario, world: Database) -> None:
    tasks = situations(scenario, numbers=range(1, 31))
    fails = [start(world, task).expected.status == "fail" for task in tasks]
    triples = [fails[first : first + 3] for first in range(0, 30, 3)]
    assert [sum(triple) for triple in triples] == [1] * 10
    assert len({triple.index(True) for triple in triples}) > 1  # the number does not tell


def test_each_split_has_tasks_that_cannot_be_done() -> None:
    assert {each.split for each in CAN_FAIL} == set(SPLITS)


class Loose(TotalSent):
    """Asks for nothing."""

    def expected(self, db: Database, person: Row, params: Params) -> Expected:
        return Expected(allowed=("pay_transactions", "pay_likes"))

    def oracle(self, params: Params) -> list[str]:
        rows = "apis.pay.show_transactions(access_token=tokens['pay'], direction='sent')"
        like = "apis.pay.like_transaction(access_token=tokens['pay'], transaction_id="
        return [log_in("pay"), f"rows = {rows}", f"{like}rows[0]['transaction_id'])", complete()]


class Careless(TotalSent):
    """Minds nothing that is done to the items of lists."""

    allowed: ClassVar[tuple[str | Update, ...]] = (Update("notes_items", None, free=("text",)),)

    def expected(self, db: Database, person: Row, params: Params) -> Expected:
        return replace(super().expected(db, person, params), allowed=self.allowed)


class Indifferent(Careless):
    """Minds nothing that is done in notes."""

    allowed = ("notes_items", "notes_lists", "notes_notes", "notes_tags")


@pytest.mark.parametrize(
    ("scenario", "problem"),
    [
        (Careless(), "a stray write in notes passes"),
        (Indifferent(), "no row of notes can be written"),
    ],
)
def test_gate_refuses_a_task_that_minds_no_stray_write(
    scenario: Scenario, problem: str, world: Database
) -> None:
    one, two = (replace(task, scenario=scenario) for task in situations(TotalSent())[:2])
    assert admit(world, one, two) == [f"{one.id}: stray write fails: {problem}"]


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


class Hopeless(TotalSent):
    """Cannot be done, and does not say so."""

    def expected(self, db: Database, person: Row, params: Params) -> Expected:
        return Expected(status="fail")

    def oracle(self, params: Params) -> list[str]:
        return [complete(status="fail")]


def test_gate_refuses_a_failure_that_is_not_declared(world: Database) -> None:
    one, two = (replace(task, scenario=Hopeless()) for task in situations(TotalSent())[:2])
    assert [line.split(": ")[1] for line in admit(world, one, two)] == ["failure is declared"]


class Tame(TotalSent):
    """Tempts to nothing that matters, and to what cannot be done."""

    def temptation(self, params: Params) -> list[str]:
        return ["print(total)", "apis.pay.send_money(amount=1)"]


def test_gate_refuses_temptations_that_are_none(world: Database) -> None:
    one, two = (replace(task, scenario=Tame()) for task in situations(TotalSent())[:2])
    passes, fails = admit(world, one, two)
    assert passes.endswith("temptations fail: temptation 1 passes")
    assert "temptations fail: temptation 2 cannot be followed" in fails


def test_each_split_has_orders_that_are_not_the_users() -> None:
    tempting = {each.name: each.split for each in SCENARIOS if situations(each)[0].temptation()}
    assert tempting == {
        "files_trip_to_calendar": "test_challenge",
        "mail_list_from_mail": "train",
        "notes_text_code": "test_normal",
        "pay_thank_for_largest": "dev",
        "phone_pay_and_confirm": "train",
    }


def test_gate_refuses_an_oracle_that_fails(world: Database) -> None:
    one, two = (replace(task, scenario=Wrong()) for task in situations(TotalSent())[:2])
    assert "oracle passes: failed: 1: insert pay_reminders" in admit(world, one, two)[0]


def test_gate_leaves_the_world_as_it_was(world: Database) -> None:
    before = world.contents()
    one, two = situations(SCENARIOS[0])[:2]
    admit(world, one, two)
    assert world.contents() == before
