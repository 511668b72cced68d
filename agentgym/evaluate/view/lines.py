"""Widgets that hold many lines: each is made when it comes into sight."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from rich.cells import set_cell_size
from rich.segment import Segment
from rich.style import Style
from rich.text import Text
from textual.binding import Binding, BindingType
from textual.events import Click, Resize
from textual.geometry import Region, Size
from textual.message import Message
from textual.scroll_view import ScrollView
from textual.strip import Strip

from agentgym.evaluate.report.catalogue import Entry
from agentgym.evaluate.view.pages import STYLES
from agentgym.evaluate.view.plain import one_line

__all__ = ["EpisodeList", "Lines"]

_HERE = Style(reverse=True)
_LONGEST_ID = 24


class Lines(ScrollView, can_focus=True):
    """Lines of text to be scrolled through, wrapped where they are wider than the screen."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("j", "scroll_down", "down", show=False),
        Binding("k", "scroll_up", "up", show=False),
        Binding("space", "page_down", "page", show=False),
    ]

    def __init__(self) -> None:
        super().__init__()
        self._given: Sequence[Text] = ()
        self._wrapped: list[Text] = []

    @property
    def text(self) -> str:
        """Return everything that there is to see."""
        return "\n".join(line.plain for line in self._given)

    def show(self, lines: Sequence[Text]) -> None:
        """Show these lines, from the first."""
        self._given = lines
        self._wrap()
        self.scroll_home(animate=False)

    def on_resize(self, event: Resize) -> None:
        """Wrap anew."""
        self._wrap()

    def _wrap(self) -> None:
        width = max(20, self.scrollable_content_region.width)
        self._wrapped = []
        for line in self._given:
            if len(line.plain) * 2 <= width or line.cell_len <= width:  # no letter is wider than 2
                self._wrapped.append(line)
            else:
                self._wrapped += line.wrap(self.app.console, width, overflow="fold")
        self.virtual_size = Size(width, len(self._wrapped))
        self.refresh()

    def render_line(self, y: int) -> Strip:
        """Return a line of the screen."""
        at = y + round(self.scroll_offset.y)
        width = self.size.width
        if at >= len(self._wrapped):
            return Strip.blank(width, self.rich_style)
        segments = list(self._wrapped[at].render(self.app.console))
        return Strip(segments).adjust_cell_length(width).apply_style(self.rich_style)


class EpisodeList(ScrollView, can_focus=True):
    """Episodes, one a line, with one that is chosen."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("down,j", "move(1)", "down", show=False),
        Binding("up,k", "move(-1)", "up", show=False),
        Binding("pagedown,space", "page(1)", "page", show=False),
        Binding("pageup", "page(-1)", "page", show=False),
        Binding("home", "move(-1_000_000_000)", "first", show=False),
        Binding("end", "move(1_000_000_000)", "last", show=False),
        Binding("enter", "choose", "open"),
    ]
    HEADER = (
        f"{'outcome':<7} {'reward':>7}  {'task':<{_LONGEST_ID}} {'#':>3} {'step':>5} {'turns':>5} "
        f"{'tokens':>7}  prompt"
    )

    class Chosen(Message):
        """An episode is to be opened."""

        def __init__(self, place: int) -> None:
            super().__init__()
            self.place = place

    def __init__(self) -> None:
        super().__init__()
        self.rows: Sequence[Entry] = ()
        self.cursor = 0

    def show(self, rows: Sequence[Entry]) -> None:
        """List these episodes; the cursor stays on the one that it is on, where that is there."""
        here = self.rows[self.cursor].number if self.cursor < len(self.rows) else -1
        if self.cursor >= len(rows) or rows[self.cursor].number != here:
            self.cursor = next((at for at, row in enumerate(rows) if row.number == here), 0)
        self.rows = rows
        self.virtual_size = Size(self.size.width, len(rows))
        self.refresh()

    def action_move(self, by: int) -> None:
        """Move the cursor."""
        self.cursor = max(0, min(self.cursor + by, len(self.rows) - 1))
        self.scroll_to_region(Region(0, self.cursor, 1, 1), animate=False, force=True)
        self.refresh()

    def action_page(self, by: int) -> None:
        """Move the cursor by a screen."""
        self.action_move(by * max(1, self.size.height - 1))

    def action_choose(self) -> None:
        """Open the episode under the cursor."""
        if self.rows:
            self.post_message(self.Chosen(self.cursor))

    def on_click(self, event: Click) -> None:
        """Open what is clicked."""
        at = event.y + round(self.scroll_offset.y)
        if at < len(self.rows):
            self.cursor = at
            self.refresh()
            self.action_choose()

    def render_line(self, y: int) -> Strip:
        """Return a line of the screen."""
        at = y + round(self.scroll_offset.y)
        width = self.size.width
        if at >= len(self.rows):
            return Strip.blank(width, self.rich_style)
        entry = self.rows[at]
        style = Style.parse(STYLES[entry.outcome])
        reward = "-" if entry.reward is None else f"{entry.reward:.3f}"
        about = entry.reason if entry.outcome == "error" else entry.prompt
        task = set_cell_size(one_line(entry.task_id, _LONGEST_ID), _LONGEST_ID)
        rest = (
            f"  {task} {entry.index:>3} "
            f"{entry.step:>5} {entry.turns:>5} {entry.tokens:>7}  {one_line(about, 200)}"
        )
        strip = Strip([Segment(f"{entry.outcome:<7} {reward:>7}", style), Segment(rest)])
        strip = strip.adjust_cell_length(width).apply_style(self.rich_style)
        return strip.apply_style(_HERE) if at == self.cursor else strip
