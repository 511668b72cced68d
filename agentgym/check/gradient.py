"""What a policy would learn from: the share of groups whose rewards differ."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager, nullcontext

from agentgym.check.report import Failed, NotApplicable, Seen
from agentgym.check.subject import Subject
from agentgym.policy.base import Policy
from agentgym.policy.resolve import resolve
from agentgym.types import Episode, Group

__all__ = ["gradient"]


def gradient(subject: Subject) -> Seen:
    """Let a policy play groups; no episode may be unscored, and some group must have a gradient."""
    if subject.policy is None:
        raise NotApplicable("no policy was named")
    groups = _groups(subject, subject.policy)
    episodes = [episode for group in groups for episode in group.episodes]
    lost = [episode for episode in episodes if episode.reward is None]
    if lost:
        raise Failed(f"{len(lost)} of {len(episodes)} episodes are unscored: {lost[0].reason}")
    rewards = [_rewards(group.episodes) for group in groups]
    share = sum(len(set(each)) > 1 for each in rewards) / len(groups)
    every = [reward for each in rewards for reward in each]
    figures = {
        "groups": len(groups),
        "group_size": subject.group_size,
        "with_gradient": share,
        "mean_reward": sum(every) / len(every),
        "success": sum(reward == 1.0 for reward in every) / len(every),
    }
    text = (
        f"{share:.0%} of {len(groups)} groups of {subject.group_size} have a gradient; mean reward "
        f"{figures['mean_reward']:.3f}, success {figures['success']:.3f}"
    )
    if not share:
        raise Failed(f"{text}: nothing to learn from here; try other tasks, or more (-n, -k)")
    return Seen(text, figures)


def _rewards(episodes: Sequence[Episode]) -> list[float]:
    return [episode.reward for episode in episodes if episode.reward is not None]


def _groups(subject: Subject, named: str | Policy) -> list[Group]:
    from agentgym.rollout.runner import rollout
    from agentgym.rollout.spec import EnvSpec

    with closing(subject.make()) as env:
        split, ids = env.unwrapped.split, subject.task_ids(env)
    with _policy(named) as policy:
        spec = EnvSpec(subject.id, subject.kwargs)
        return rollout(policy, spec, ids, subject.group_size, split=split)


@contextmanager
def _policy(named: str | Policy) -> Iterator[Policy]:
    with closing(resolve(named)) if isinstance(named, str) else nullcontext(named) as policy:
        yield policy
