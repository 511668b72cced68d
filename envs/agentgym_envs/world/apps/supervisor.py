"""The supervisor: whose assistant the agent is, and where a task is handed in."""

from __future__ import annotations

from typing import Any, Literal

from agentgym_envs.world.registry import App, Context

__all__ = ["app"]

app = App(
    "supervisor",
    "Your supervisor: profile, account passwords, and task completion.",
    accounts=False,
)


@app.api(login=False)
def complete_task(
    ctx: Context,
    *,
    answer: str | int | float | None = None,
    status: Literal["success", "fail"] = "success",
) -> dict[str, Any]:
    """Mark the active task as complete.

    Args:
        answer: The answer, if the task asks for one.
        status: "fail" if the task cannot be done.

    Returns:
        A message.
    """
    raise NotImplementedError("answered by the service")
