"""The table of promises, and the check that goes through it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any

from agentgym.check.contract import conformance, hostile, replay, spec_as_json, twice_closed
from agentgym.check.cost import leftovers, memory, step_time
from agentgym.check.gold import changed_gold
from agentgym.check.gradient import gradient
from agentgym.check.hidden import gold_hidden
from agentgym.check.payment import constants, echo, oracle, spam
from agentgym.check.report import CheckReport, CheckRow, Failed, NotApplicable, Seen
from agentgym.check.sandbox import gold_unreachable
from agentgym.check.subject import Subject
from agentgym.policy.base import Policy
from agentgym.policy.resolve import policy_maker

__all__ = ["CHECKS", "check"]


def check(
    env_id: str,
    *,
    tasks: int = 5,
    kwargs: Mapping[str, Any] | None = None,
    policy: str | Policy | None = None,
    group_size: int = 8,
) -> CheckReport:
    """Check an environment against the contract.

    Args:
        env_id: Any registered id.
        tasks: How many tasks of its split are played.
        kwargs: Arguments of its constructor.
        policy: Who plays groups of them, to see whether there is a gradient; None leaves that out.
        group_size: Episodes of each group.

    Raises:
        UsageError: If there is no such environment or policy, or it takes no such argument.
    """
    if isinstance(policy, str):
        policy_maker(policy)  # an unknown name is told at once
    subject = Subject(env_id, dict(kwargs or {}), tasks, policy, group_size)
    probe = subject.make()
    with suppress(Exception):  # whether it can be closed is one of the checks
        probe.close()
    return CheckReport(env_id, tuple(_row(name, subject) for name in CHECKS))


def _row(name: str, subject: Subject) -> CheckRow:
    try:
        seen = CHECKS[name](subject)
    except Failed as error:
        return CheckRow(name, "failed", str(error))
    except NotApplicable as error:
        return CheckRow(name, "not applicable", str(error))
    except Exception as error:  # noqa: BLE001 - whatever it raises is the finding
        return CheckRow(name, "failed", f"{type(error).__name__}: {error}")
    return CheckRow(name, "ok", seen.detail, seen.figures)


CHECKS: Mapping[str, Callable[[Subject], Seen]] = {
    "gymnasium": conformance,
    "replay": replay,
    "hostile": hostile,
    "oracle": oracle,
    "constants": constants,
    "echo": echo,
    "spam": spam,
    "mutated": changed_gold,
    "hidden": gold_hidden,
    "sandbox": gold_unreachable,
    "gradient": gradient,
    "time": step_time,
    "memory": memory,
    "leftovers": leftovers,
    "close": twice_closed,
    "spec": spec_as_json,
}
