"""A run in the terminal: its episodes, turn by turn and token by token, while it runs or after it.

Whatever a model wrote is shown as text: nothing of it is markup, and what cannot be seen is spelled
out. Textual is loaded by `app` alone.
"""

from __future__ import annotations

from agentgym.errors import MissingExtra
from agentgym.evaluate.saved import SavedRun

__all__ = ["view"]


def view(run: SavedRun, every_s: float = 2.0) -> None:
    """Show a run until its reader has had enough.

    Args:
        run: It; what is appended to it meanwhile is shown too.
        every_s: Seconds between two looks for more.

    Raises:
        MissingExtra: If Textual is not installed.
    """
    try:
        from agentgym.evaluate.view.app import ViewApp
    except ModuleNotFoundError as error:
        if error.name is None or error.name.partition(".")[0] != "textual":
            raise
        raise MissingExtra("textual", "view") from error
    ViewApp(run, every_s).run()
