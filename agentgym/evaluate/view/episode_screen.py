"""One episode on the screen, a page at a time; the others of the list are a key away."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from rich.text import Text
from textual import work
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.message import Message
from textual.screen import Screen
from textual.widgets import Footer, Static

from agentgym.errors import RunError
from agentgym.evaluate.report.catalogue import Entry
from agentgym.evaluate.view.lines import Lines
from agentgym.evaluate.view.pages import siblings_page, title, turns_page, verdict_page
from agentgym.evaluate.view.plain import one_line
from agentgym.evaluate.view.source import Source
from agentgym.evaluate.view.tokens import tokens_page

__all__ = ["EpisodeScreen"]


class EpisodeScreen(Screen[None]):
    """One episode; the others of the list are a key away.

    Args:
        source: The run.
        rows: The list that it was opened from.
        place: Its place there.
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("t", "page('turns')", "turns"),
        Binding("v", "page('verdict')", "verdict"),
        Binding("b", "page('siblings')", "siblings"),
        Binding("g", "page('tokens')", "gradient"),
        Binding("m", "fold", "all tokens"),
        Binding("right,n", "other(1)", "next"),
        Binding("left,p", "other(-1)", "previous"),
        Binding("right_square_bracket", "sibling(1)", "sibling"),
        Binding("left_square_bracket", "sibling(-1)", "previous sibling", show=False),
        Binding("escape,backspace", "app.pop_screen", "list"),
        Binding("q", "app.quit", "quit"),
    ]

    class Made(Message):
        """A page is there."""

        def __init__(self, entry: Entry, page: str, lines: list[Text]) -> None:
            super().__init__()
            self.entry, self.page, self.lines = entry, page, lines

    def __init__(self, source: Source, rows: Sequence[Entry], place: int) -> None:
        super().__init__()
        self._source = source
        self._rows = rows
        self._place = place
        self._entry = rows[place]
        self._page = "turns"
        self._whole = False  # whether tokens that were not sampled have lines of their own

    def compose(self) -> ComposeResult:
        """Yield the widgets."""
        yield Static(id="head", markup=False)
        yield Lines()
        yield Footer()

    def on_mount(self) -> None:
        """Show the turns first."""
        self.query_one(Lines).focus()
        self._turn_to(self._entry)

    def _turn_to(self, entry: Entry) -> None:
        self._entry = entry
        self.query_one("#head", Static).update(title(entry))
        self.query_one(Lines).show([Text("reading ...", style="dim")])
        self._read(entry, self._page)

    @work(thread=True, group="page", exclusive=True)
    def _read(self, entry: Entry, page: str) -> None:
        """Make a page in a thread: an episode may be long, and a tokenizer slow to load."""
        try:
            lines = self._lines(entry, page)
        except (RunError, OSError) as error:
            lines = [Text(one_line(str(error), 1000), style="red")]
        self.post_message(self.Made(entry, page, lines))

    def _lines(self, entry: Entry, page: str) -> list[Text]:
        source = self._source
        if page == "siblings":
            return siblings_page(source.siblings(entry), entry)
        episode = source.episode(entry).episode
        if page == "verdict":
            return verdict_page(episode, source.task(entry))
        if page == "tokens":
            return tokens_page(episode, source.learned(entry), source.texts(episode), self._whole)
        return turns_page(episode)

    def on_episode_screen_made(self, event: Made) -> None:
        """Show a page, unless another was asked for since."""
        if (event.entry.number, event.page) == (self._entry.number, self._page):
            self.query_one(Lines).show(event.lines)

    def action_page(self, page: str) -> None:
        """Turn to another page of the same episode."""
        self._page = page
        self._turn_to(self._entry)

    def action_fold(self) -> None:
        """Show the tokens with all, or without most, of those that were not sampled."""
        self._whole = not self._whole
        self.action_page("tokens")

    def action_other(self, by: int) -> None:
        """Turn to the next or the previous episode of the list."""
        self._place = max(0, min(self._place + by, len(self._rows) - 1))
        self._turn_to(self._rows[self._place])

    def action_sibling(self, by: int) -> None:
        """Turn to the next or the previous episode of the group."""
        siblings = self._source.siblings(self._entry)
        at = next((n for n, e in enumerate(siblings) if e.number == self._entry.number), None)
        if at is not None:
            self._turn_to(siblings[(at + by) % len(siblings)])
