from __future__ import annotations

import pytest

from agentgym.types import Episode, Rule, Verdict
from agentgym_envs.world.goals import Goals, reached, sgc, tgc

A = [("send_money_1", 1.0), ("send_money_2", 1.0), ("send_money_3", 1.0)]
B = [("find_song_1", 1.0), ("find_song_2", 0.0), ("find_song_3", 1.0)]


def test_tgc_is_the_share_of_solved_attempts() -> None:
    assert tgc(A + B) == pytest.approx(5 / 6)
    assert tgc([("a_1", 0.9)]) == 0.0  # a part of the way is not there


def test_sgc_wants_all_three_variations() -> None:
    assert sgc(A + B) == 0.5
    assert sgc(A) == 1.0
    assert sgc(A[:2]) == 0.0


def test_sgc_wants_every_attempt_at_a_task() -> None:
    assert sgc([*A, ("send_money_1", 0.0)]) == 0.0
    assert sgc([("send_money_1", 0.0), *A]) == 0.0


def test_no_scores_are_refused() -> None:
    for measure in (tgc, sgc):
        with pytest.raises(ValueError, match="no scores"):
            measure([])


def played(task_id: str, index: int, solved: bool | None, **counters: float) -> Episode:
    """An episode; None is one that a fault ended."""
    if solved is None:
        return Episode(task_id, index, 0, "unscored", None, "a fault")
    behaviour = [Rule(f"behaviour: {name}", n, weight=0.0) for name, n in counters.items()]
    verdict = Verdict(float(solved), (Rule("answer", float(solved)), *behaviour))
    return Episode(task_id, index, 0, "scored", float(solved), "", verdict)


def attempts(name: str, *rows: str) -> list[Episode]:
    """Episodes of the variations of a scenario, a row each: 1 solved, 0 not, x unscored."""
    results = {"1": True, "0": False, "x": None}
    return [
        played(f"{name}_{number}", index, results[mark])
        for number, row in enumerate(rows, 1)
        for index, mark in enumerate(row)
    ]


def test_goals_of_an_evaluation() -> None:
    found = Goals.of(attempts("a", "11", "11", "10") + attempts("b", "01", "11", "11"))
    assert (found.tgc, found.sgc) == (10 / 12, 2 / 4)  # a in its first attempt, b in its second
    assert found.pass_hat_k == {1: 10 / 12, 2: 4 / 6}
    assert (found.tasks, found.scenarios, found.scored, found.unscored) == (6, 4, 12, 0)


def test_faults_count_neither_for_nor_against_a_policy() -> None:
    found = Goals.of(attempts("a", "11", "x1", "11"))
    assert (found.tgc, found.sgc, found.scenarios, found.unscored) == (1.0, 1.0, 1, 1)
    assert found.pass_hat_k == {1: 1.0}  # one task has one episode


def test_scenario_that_was_not_played_whole_has_no_sgc() -> None:
    found = Goals.of(attempts("a", "1", "1"))
    assert (found.tgc, found.sgc, found.scenarios) == (1.0, None, 0)


def test_goals_of_nothing_are_none() -> None:
    found = Goals.of(attempts("a", "x"))
    assert (found.tgc, found.sgc, found.pass_hat_k, found.behaviour) == (None, None, {}, {})


def test_goals_do_not_follow_the_reward_mode() -> None:
    rules = (Rule("answer", 0.0), Rule("status", 1.0))
    paid = Episode("a_1", 0, 0, "scored", 1.0, "", Verdict(1.0, rules))
    part = Episode("a_1", 1, 0, "scored", 0.5, "", Verdict(0.5, (Rule("answer", 1.0),)))
    bare = Episode("a_1", 2, 0, "scored", 1.0, "", Verdict(1.0))
    assert [reached(each) for each in (paid, part, bare)] == [False, True, True]


def test_behaviour_is_a_mean_over_episodes_with_counters() -> None:
    first = played("a_1", 0, True, give_ups=1, **{"calls.pay": 4})
    second = played("a_2", 0, True, give_ups=0, **{"calls.mail": 1})
    found = Goals.of([first, second, played("a_3", 0, False)])
    assert found.behaviour == {"give_ups": 0.5, "calls.mail": 0.5, "calls.pay": 2.0}
