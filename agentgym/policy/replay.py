"""A policy that says again what the episodes of a run said, without a model."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from hashlib import sha256
from itertools import takewhile
from pathlib import Path

from agentgym.errors import PolicyFault
from agentgym.evaluate.saved import SavedEpisode, open_run
from agentgym.policy.base import TurnContext
from agentgym.policy.scripted import TextPolicy
from agentgym.types import Completion, Message, SamplingParams, Turn

__all__ = ["ReplayPolicy"]


@dataclass(frozen=True, slots=True)
class _Script:
    """What an episode said, and how to tell it from others of the same task and index."""

    seed: int
    prompt: bytes
    unscored: bool
    ending: str
    turns: tuple[Turn, ...]


class ReplayPolicy(TextPolicy):
    """Says what the saved episode of the same task and index said, turn by turn.

    Where a run has several of them (several environments, or steps of a training), the one that
    began with the same prompt and the same seed is meant; of equals the last that was scored.

    Args:
        run: A run folder, or saved episodes.

    Raises:
        RunError: If the folder cannot be read.
    """

    def __init__(self, run: str | Path | Iterable[SavedEpisode]) -> None:
        is_folder = isinstance(run, str | Path)
        super().__init__(f"replay:{run}" if is_folder else "replay")
        episodes = _of_folder(run) if isinstance(run, str | Path) else run
        self._scripts: dict[tuple[str, int], list[_Script]] = {}
        for saved in episodes:
            key = saved.episode.task_id, saved.episode.index
            self._scripts.setdefault(key, []).append(_script(saved))

    async def sample(
        self, prompt_ids: Sequence[int], params: SamplingParams, context: TurnContext | None = None
    ) -> Completion:
        """Say what was said at this turn.

        Raises:
            PolicyFault: If it is not on record: there is no such episode, it was unscored, or it
                had no further turn.
        """
        place = context or TurnContext()
        script = self._find(place)
        if place.turn >= len(script.turns):
            raise PolicyFault(
                f"the saved episode {place.index} of task '{place.task_id}' has no turn "
                f"{place.turn + 1}: {script.ending}"
            )
        turn = script.turns[place.turn]
        said = self.certain(turn.action)
        if turn.finish_reason == "stop":
            return said
        return Completion(said.ids[:-1], (0.0,) * (len(said.ids) - 1), "length", 0, turn.action)

    def _find(self, place: TurnContext) -> _Script:
        scripts = self._scripts.get((place.task_id, place.index))
        if not scripts:
            raise PolicyFault(f"no episode {place.index} of task '{place.task_id}' is on record")
        if len(scripts) == 1:
            return scripts[0]
        prompt = _prompt(place.messages)
        return max(
            reversed(scripts),
            key=lambda each: (each.prompt == prompt, each.seed == place.seed, not each.unscored),
        )


def _of_folder(run: str | Path) -> Iterator[SavedEpisode]:
    return (glance.saved for glance in open_run(run).glances())  # no token is needed


def _script(saved: SavedEpisode) -> _Script:
    episode = saved.episode
    unscored = episode.reward is None
    if unscored:
        ending = f"it was unscored ({episode.reason})"
    else:
        ending = f"the {episode.limit} limit ended it" if episode.limit else "it was over"
    # What came back is not needed again, and is most of the text.
    turns = tuple(
        Turn(turn.action, "", turn.prompt_tokens, turn.sampled_tokens, turn.finish_reason)
        for turn in episode.turns
    )
    return _Script(episode.seed, _prompt(episode.messages), unscored, ending, turns)


def _prompt(messages: Iterable[Message]) -> bytes:
    """Return a digest of what stands before the first action.

    White space is left out: a model's template breaks up control tokens in texts, a text policy's
    does not.
    """
    digest = sha256()
    for message in takewhile(lambda message: message.role != "assistant", messages):
        text = f"{message.role}:{''.join(message.content.split())}\0"
        digest.update(text.encode("utf-8", "surrogatepass"))
    return digest.digest()
