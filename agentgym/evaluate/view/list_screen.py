"""Every episode of a run on the screen: filtered, sorted, searched, and growing as the run does."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import ClassVar

from rich.text import Text
from textual import work
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.message import Message
from textual.screen import Screen
from textual.widgets import Footer, Input, Static
from textual.worker import get_current_worker

from agentgym.errors import RunError
from agentgym.evaluate.view.choice import FILTERS, ORDERS, Choice
from agentgym.evaluate.view.episode_screen import EpisodeScreen
from agentgym.evaluate.view.lines import EpisodeList
from agentgym.evaluate.view.plain import one_line
from agentgym.evaluate.view.source import Source

__all__ = ["ListScreen"]

_BATCH = 500  # episodes that are read between two looks at the keyboard


class ListScreen(Screen[None]):
    """Every episode of the run; it grows as the run does."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("f", "filter", "filter"),
        Binding("s", "sort", "sort"),
        Binding("r", "reverse", "reverse"),
        Binding("slash", "search", "search"),
        Binding("escape", "forget", "clear"),
        Binding("q", "app.quit", "quit"),
    ]

    class Told(Message):
        """More was read, or could not be."""

        def __init__(self, said: str) -> None:
            super().__init__()
            self.said = said

    class Found(Message):
        """A search has ended."""

        def __init__(self, text: str, holding: frozenset[int]) -> None:
            super().__init__()
            self.text, self.holding = text, holding

    def __init__(self, source: Source, every_s: float) -> None:
        super().__init__()
        self._source = source
        self._every_s = every_s
        self._choice = Choice()
        self._said = ""  # what went wrong, or is being done

    def compose(self) -> ComposeResult:
        """Yield the widgets."""
        yield Static(id="head", markup=False)
        yield Static(EpisodeList.HEADER, id="columns", markup=False)
        yield EpisodeList()
        yield Input(placeholder="text in the task, the conversation or the reason", id="search")
        yield Static(id="status", markup=False)
        yield Footer()

    def on_mount(self) -> None:
        """Read what there is, then look for more again and again."""
        self.query_one(EpisodeList).focus()
        self._follow()
        self.set_interval(self._every_s, self._follow)

    def _follow(self) -> None:
        if not any(worker.group == "follow" and not worker.is_finished for worker in self.workers):
            self._read_on()

    @work(thread=True, group="follow")
    def _read_on(self) -> None:
        """Read on in a thread, a batch at a time; it speaks by messages, which never wait."""
        said, count = "", _BATCH
        try:
            while count == _BATCH and not get_current_worker().is_cancelled:
                count = self._source.read_on(_BATCH)
                self.post_message(self.Told(""))
        except (RunError, OSError) as error:
            said = str(error)
        self.post_message(self.Told(said))

    def on_list_screen_told(self, event: Told) -> None:
        """Show what was read."""
        self._said = event.said
        self._list()

    def _list(self) -> None:
        """Show what was read and chosen."""
        source, choice = self._source, self._choice
        rows = choice.of(source.entries)
        self.query_one(EpisodeList).show(rows)
        self.query_one("#head", Static).update(_summary(source))
        parts = [f"{len(rows)} of {len(source.entries)} episodes: {choice.outcome}"]
        parts.append(f"sorted: {choice.order}{' backwards' if choice.backwards else ''}")
        if choice.text:
            parts.append(f"with {one_line(choice.text, 40)!r}")
        if self._said:
            parts = [one_line(self._said, 200)]
        self.query_one("#status", Static).update(Text(", ".join(parts)))

    def _choose(self, **changed: object) -> None:
        self._choice = replace(self._choice, **changed)  # type: ignore[arg-type]
        self._list()

    def action_filter(self) -> None:
        """List the next kind of episodes."""
        self._choose(outcome=_after(tuple(FILTERS), self._choice.outcome))

    def action_sort(self) -> None:
        """Sort by the next thing."""
        self._choose(order=_after(tuple(ORDERS), self._choice.order), backwards=False)

    def action_reverse(self) -> None:
        """Turn the order round."""
        self._choose(backwards=not self._choice.backwards)

    def action_search(self) -> None:
        """Ask for a text."""
        field = self.query_one(Input)
        field.add_class("open")
        field.focus()

    def action_forget(self) -> None:
        """Leave the search, its text and the filter."""
        self._close_search()
        self._choose(text="", holding=(), outcome="all")

    def _close_search(self) -> None:
        field = self.query_one(Input)
        field.value = ""
        field.remove_class("open")
        self.query_one(EpisodeList).focus()

    def on_input_submitted(self, event: Input.Submitted) -> None:
        """Search."""
        text = event.value
        self._close_search()
        if text:
            self._said = f"searching for {one_line(text, 40)!r}"
            self._list()
            self._find(text)

    @work(thread=True, group="search", exclusive=True)
    def _find(self, text: str) -> None:
        worker, holding = get_current_worker(), set[int]()
        try:
            for number in self._source.holding(text):
                if worker.is_cancelled:
                    return
                holding.add(number)
        except (RunError, OSError) as error:
            self.post_message(self.Told(str(error)))
        else:
            self.post_message(self.Found(text, frozenset(holding)))

    def on_list_screen_found(self, event: Found) -> None:
        """Show what was found."""
        self._said = ""
        self._choose(text=event.text, holding=event.holding)

    def on_episode_list_chosen(self, event: EpisodeList.Chosen) -> None:
        """Open an episode."""
        rows = self.query_one(EpisodeList).rows
        self.app.push_screen(EpisodeScreen(self._source, rows, event.place))


def _after(names: tuple[str, ...], name: str) -> str:
    """Return the next of some names, the first after the last."""
    return names[(names.index(name) + 1) % len(names)]


def _summary(source: Source) -> Text:
    """Return what there is of the run, in one line; faults first, apart from failures."""
    run, entries = source.run, source.entries
    counts = Counter(entry.outcome for entry in entries)
    rewards = [entry.reward for entry in entries if entry.reward is not None]
    kind = "training" if run.kind == "train" else "evaluation"
    made = Text(f"{one_line(run.name, 40)}  {kind}  {len(entries):,} episodes")
    if errors := counts["error"]:
        made.append(f"  {errors:,} UNSCORED", style="bold magenta")
    for name in ("solved", "failed", "limit"):
        if counts[name]:
            made.append(f"  {counts[name]:,} {name}")
    if rewards:
        made.append(f"  mean reward {sum(rewards) / len(rewards):.3f}")
    return made.append("  finished" if source.finished() else "  not finished")
