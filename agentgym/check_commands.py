"""The verb `check`: is an environment sound, and would a policy learn from it?"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field
from rich.table import Table
from rich.text import Text
from tyro.conf import Positional, arg

from agentgym.flags import parse, take
from agentgym.terminal import output_kept, print_json, text_console

__all__ = ["check"]

_LONG = 400  # characters of a detail
_STYLES: Mapping[str, str] = {"ok": "green", "failed": "bold red", "not applicable": "dim"}


class CheckConfig(BaseModel):
    """Which environment to check."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    env: Annotated[str, Positional, arg(metavar="ENV")] = Field(description="Environment id.")
    tasks: Annotated[int, arg(aliases=("-n",))] = Field(
        5, ge=1, description="Tasks that are played, by the oracle and by whoever must not be paid."
    )
    policy: Annotated[str | None, arg(aliases=("-p",))] = Field(
        None, description="Who plays groups of these tasks, as of 'agentgym eval'; default: nobody."
    )
    group_size: Annotated[int, arg(aliases=("-k",))] = Field(
        8, ge=2, description="Episodes of each group."
    )
    env_kwargs: dict[str, Any] = Field(
        default_factory=dict, description="Keyword arguments of the environment."
    )


def check(argv: list[str]) -> int:
    """Check an environment; fail if any promise is broken."""
    as_json = take(argv, "--json")
    about = (
        "Check that an environment is sound, before anything is trained on it. With a policy also "
        "whether its groups have a gradient. Exit status 1 if a row fails."
    )
    config = parse(CheckConfig, "check", argv, about)
    from agentgym.check import check as check_env

    with output_kept():
        report = check_env(
            config.env,
            tasks=config.tasks,
            kwargs=config.env_kwargs,
            policy=config.policy,
            group_size=config.group_size,
        )
    if as_json:
        rows = [
            {
                "name": row.name,
                "ok": row.ok,
                "status": row.status,
                "detail": row.detail,
                "figures": dict(row.figures),
            }
            for row in report.rows
        ]
        print_json({"env": report.env_id, "ok": report.ok, "rows": rows})
    else:
        _show((row.status, row.name, row.detail) for row in report.rows)
    return 0 if report.ok else 1


def _show(rows: Any) -> None:
    from agentgym.evaluate.display import printable

    table = Table(box=None, show_header=False)
    for status, name, detail in rows:
        told = status.upper() if status == "failed" else status
        table.add_row(Text(told, style=_STYLES[status]), name, Text(printable(detail, _LONG)))
    text_console().print(table)
