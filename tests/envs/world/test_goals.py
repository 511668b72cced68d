from __future__ import annotations

import pytest

from agentgym_envs.world.goals import sgc, tgc

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
