"""The verb `view`: a run in the terminal, while it runs or after it."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field
from tyro.conf import Positional, arg

from agentgym.errors import UsageError
from agentgym.flags import parse

__all__ = ["ViewConfig", "view"]


class ViewConfig(BaseModel):
    """Which run to look at."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    run: Annotated[Path, Positional, arg(metavar="RUN")] = Field(
        description="Run folder, of a training or an evaluation, finished or not."
    )
    every_s: float = Field(2.0, gt=0, description="Seconds between two looks for more.")


def view(argv: list[str]) -> int:
    """Look at a run in the terminal."""
    about = "Look at a run in the terminal: its episodes, turn by turn and token by token."
    config = parse(ViewConfig, "view", argv, about)
    from agentgym.evaluate.saved import open_run
    from agentgym.evaluate.view import view as look

    run = open_run(config.run)
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        raise UsageError(
            f"view needs a terminal, and this is none; write a page instead: agentgym report "
            f"'{config.run}'"
        )
    look(run, config.every_s)
    return 0
