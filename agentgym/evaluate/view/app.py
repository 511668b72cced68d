"""The program behind `agentgym view`: two screens over one run."""

from __future__ import annotations

from textual.app import App

from agentgym.evaluate.saved import SavedRun
from agentgym.evaluate.view.list_screen import ListScreen
from agentgym.evaluate.view.plain import one_line
from agentgym.evaluate.view.source import Source

__all__ = ["ViewApp"]


class ViewApp(App[None]):
    """A run, as long as its reader likes.

    Args:
        run: It.
        every_s: Seconds between two looks for more.
    """

    CSS = """
    Lines, EpisodeList { overflow-x: hidden; overflow-y: scroll; }
    #head, #columns, #status { height: 1; }
    #head { text-style: bold; background: $panel; }
    #columns { color: $text-muted; }
    #search { display: none; }
    #search.open { display: block; }
    """
    ENABLE_COMMAND_PALETTE = False

    def __init__(self, run: SavedRun, every_s: float = 2.0) -> None:
        super().__init__()
        self.source = Source(run)
        self.every_s = every_s

    def on_mount(self) -> None:
        """Begin with the list."""
        self.title = f"agentgym view {one_line(self.source.run.name, 80)}"
        self.push_screen(ListScreen(self.source, self.every_s))
