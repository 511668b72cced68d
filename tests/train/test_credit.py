"""From rewards to what samples are worth, by hand."""

from __future__ import annotations

from dataclasses import asdict, replace

import pytest

from agentgym.algorithms.advantages import MovingAverage
from agentgym.algorithms.presets import Algorithm, mixed, preset
from agentgym.train.credit import CreditState, weighed, without_stale
from agentgym.types import Episode, Group, Sample, Turn


def episode(index: int, reward: float | None, version: int = 0, tokens: int = 1) -> Episode:
    status = "unscored" if reward is None else "scored"
    samples = () if reward is None else (Sample((1, 2), (0, 1), (0.0, -1.0), version),)
    turns = (Turn("", "", 1, 1, "stop"), Turn("", "", 1, tokens, "stop"))
    return Episode("t", index, 0, status, reward, "", turns=turns, samples=samples)


def group(*rewards: float | None) -> Group:
    return Group("t", 0, tuple(episode(n, r) for n, r in enumerate(rewards)))


def worth(groups: list[Group], algorithm: Algorithm, state: CreditState | None = None):  # type: ignore[no-untyped-def]
    return weighed(groups, algorithm, state or CreditState(), skip_no_signal=True, turn_tokens=100)


def values(groups: list[Group], algorithm: Algorithm) -> list[float]:
    return [item.advantage for item in worth(groups, algorithm).items]


def test_gae_passes_the_rewards_on_and_keeps_every_group() -> None:
    assert values([group(1.0, None, 0.0), group(0.0, 0.0)], preset("ppo")) == [1.0, 0.0, 0.0, 0.0]


def test_raft_keeps_the_best_and_no_group_without_success() -> None:
    groups = [group(1.0, 0.0, 1.0), group(0.0, 0.0), group(1.0, 1.0)]
    assert values(groups, preset("raft")) == [1.0, 1.0, 1.0, 1.0]


def test_raft_keeps_the_others_where_a_divergence_is_learned_from_them() -> None:
    algorithm = mixed("raft", {"kl": "loss", "kl_coefficient": 0.1, "kl_estimator": "k2"})
    assert values([group(1.0, 0.0)], algorithm) == [1.0, 0.0]


def test_reinforce_pp_looks_at_the_whole_batch() -> None:
    # 1 0 | 1 None: mean 2/3, variance (1/9 + 4/9 + 1/9) / 2 = 1/3
    found = values([group(1.0, 0.0), group(1.0, None)], preset("reinforce_pp"))
    assert found == pytest.approx([3**0.5 / 3, -2 * 3**0.5 / 3, 3**0.5 / 3], abs=1e-6)


def test_reinforce_pp_with_group_means_by_hand() -> None:
    # centred ±0.5 and 0 0: variance 0.5 / 3
    algorithm = mixed("reinforce_pp", {"baseline": "group_mean"})
    found = values([group(1.0, 0.0), group(1.0, 1.0)], algorithm)
    assert found[:2] == pytest.approx([0.5 * 6**0.5, -0.5 * 6**0.5], abs=1e-6)


def test_moving_average_is_that_of_the_batches_before() -> None:
    algorithm = mixed("reinforce", {"baseline": "moving_average"})
    first = worth([group(1.0, 0.0)], algorithm)
    assert [item.advantage for item in first.items] == [1.0, 0.0]
    second = worth([group(1.0, 0.0)], algorithm, first.state)
    assert [item.advantage for item in second.items] == [0.5, -0.5]


def test_a_constant_baseline_is_subtracted() -> None:
    algorithm = mixed("reinforce", {"baseline": "0.25"})
    assert values([group(1.0, None, 0.0)], algorithm) == [0.75, -0.25]


def test_least_advantage_leaves_out_and_counts() -> None:
    # rloo of 1, 0.99, 0: the middle one's advantage is 0.49; of the first group's 0.005: left out
    algorithm = mixed("loop", {})
    found = worth([group(0.5, 0.495), group(1.0, 0.0)], algorithm)
    assert [item.advantage for item in found.items] == [1.0, -1.0]
    assert found.small == 2


def test_overlong_turns_cost_up_to_one() -> None:
    algorithm = mixed("reinforce", {"overlong": 0.2})
    rows = (episode(0, 1.0, tokens=80), episode(1, 1.0, tokens=90), episode(2, 1.0, tokens=100))
    assert values([Group("t", 0, rows)], algorithm) == [1.0, 0.5, 0.0]


@pytest.mark.parametrize(
    ("how", "expected"), [("clip", [1.0, -0.5]), ("log", [1.3862944, -0.4054651])]
)
def test_rewards_are_scaled(how: str, expected: list[float]) -> None:
    algorithm = mixed("reinforce", {"reward_scale": how})
    assert values([group(3.0, -0.5)], algorithm) == pytest.approx(expected)


def test_running_scale_divides_by_the_spread_so_far() -> None:
    # 4 and 0: std sqrt(8)
    algorithm = mixed("reinforce", {"reward_scale": "running"})
    found = worth([group(4.0, 0.0)], algorithm)
    assert found.items[0].advantage == pytest.approx(2**0.5)
    assert found.state.scale.count == 2


@pytest.mark.parametrize(
    "part",
    [
        {"kl": "reward", "kl_coefficient": 0.1},
        {"entropy_coefficient": 0.1},
    ],
)
def test_groups_without_signal_stay_where_something_else_is_learned(part: dict[str, float]) -> None:
    assert values([group(1.0, 1.0)], mixed("rloo", part)) == [0.0, 0.0]
    assert values([group(1.0, 1.0)], preset("rloo")) == []


def test_a_batch_without_a_scored_episode_gives_nothing() -> None:
    for name in ("rloo", "reinforce_pp", "raft", "ppo"):
        assert values([group(None, None)], preset(name)) == []


def test_state_survives_json() -> None:
    state = CreditState(MovingAverage(1.0, 0.5), kl_coefficient=0.1, penalty=4.0)
    assert CreditState.from_json(asdict(state)) == state


def test_stale_episodes_leave_the_batch_and_the_baseline() -> None:
    old = replace(group(1.0, 0.0), episodes=(episode(0, 1.0, 3), episode(1, 0.0, 5)))
    fresh, count = without_stale([old], version=5, most=1)
    assert [each.reward for each in fresh[0].episodes] == [None, 0.0]
    assert "2 versions old (max_staleness is 1)" in fresh[0].episodes[0].reason
    assert count == 1
    assert without_stale([old], version=5, most=None) == ([old], 0)
    assert without_stale([old], version=5, most=2) == ([old], 0)


def test_a_turn_is_as_old_as_its_first_token() -> None:
    """Weights that were swapped in flight do not make young what older ones began."""
    sample = Sample((1, 2, 3), (0, 1, 1), (0.0,) * 3, version=5, versions=(-1, 3, 5))
    episode = Episode("t", 0, 0, "scored", 1.0, "", samples=(sample,))
    assert without_stale([Group("t", 0, (episode,))], version=5, most=1)[1] == 1
    assert without_stale([Group("t", 0, (episode,))], version=5, most=2)[1] == 0
