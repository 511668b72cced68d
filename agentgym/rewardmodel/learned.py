"""A learned reward as a rule of a `Rubric`.

The model is loaded at the first call, once a process for all environments that name it. Calls that
wait for each other are scored together. What is together may change the last bits of a float32
reward; a batch of one repeats exactly.
"""

from __future__ import annotations

import math
import threading
import weakref
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from agentgym.errors import ConfigError, MissingExtra, Unscored
from agentgym.rewardmodel.calibration import probability
from agentgym.types import Message, Rule, Sample, Task

__all__ = ["LearnedReward"]


@dataclass(slots=True)
class _Request:
    sample: Sample
    reward: float = math.nan
    error: Exception | None = None
    done: bool = field(default=False)


class LearnedReward:
    """A check: (task, answer) to a `Rule` whose score is ``sigmoid((reward - mean) / std)``.

    Mean and std are those of the rewards of the held-out answers, so 0.5 is an answer as good as
    an average one of the pairs, and scores of different reward models compare. The raw reward is
    in the rule's reason.

    An answer that is too long for the model scores 0, for that is its author's doing. Whatever
    else prevents a score is a fault, which leaves the episode unscored.

    Args:
        path: The run folder of ``agentgym reward-model``, or the ``model`` folder in it.
        name: Of the rule.
        weight: Of the rule.
        batch: Most answers of one forward.

    Raises:
        ConfigError: If there is no reward model.
        MissingExtra: If PyTorch is not installed.
    """

    def __init__(
        self, path: str | Path, *, name: str = "learned", weight: float = 1.0, batch: int = 32
    ) -> None:
        self.path = _model_folder(Path(path).expanduser())
        self.name = name
        self.weight = weight
        self._batch = batch
        self._card = _read_card(self.path)
        self._scorer: _Scorer | None = None

    def __call__(self, task: Task, answer: Any) -> Rule:
        """Judge an answer: a text, or the messages that followed the prompt.

        Raises:
            Unscored: If the model could not give a number.
        """
        scorer = self._loaded()
        sample, prompt_tokens = scorer.read(_prompt(task), _messages(answer))
        if scorer.limit is not None and len(sample.ids) > scorer.limit:
            if prompt_tokens > scorer.limit:
                raise Unscored(
                    f"the prompt of task '{task.id}' has {prompt_tokens} tokens; the reward model "
                    f"in '{self.path}' reads {scorer.limit}"
                )
            too_long = f"{len(sample.ids)} tokens; the reward model reads {scorer.limit}"
            return Rule(self.name, 0.0, self.weight, too_long)
        reward = scorer.score(sample, self._batch)
        if not math.isfinite(reward):
            raise Unscored(f"the reward model in '{self.path}' gave {reward}")
        return Rule(self.name, self.standardised(reward), self.weight, f"reward {reward:.4f}")

    def rewards(self, prompts: Sequence[str], answers: Sequence[str]) -> list[float]:
        """Return the raw reward of each answer to each prompt, in batches."""
        scorer = self._loaded()
        samples = [
            scorer.read((Message("user", prompt),), _messages(answer))[0]
            for prompt, answer in zip(prompts, answers, strict=True)
        ]
        return scorer.score_many(samples, self._batch)

    def standardised(self, reward: float) -> float:
        """Return the score of a raw reward, in [0, 1]."""
        return probability((reward - float(self._card["mean"])) / float(self._card["std"]))

    def _loaded(self) -> _Scorer:
        if self._scorer is None:
            self._scorer = _shared(self.path)
        return self._scorer

    def __getstate__(self) -> dict[str, Any]:
        """Leave the model behind: a copy loads its own or finds this process's."""
        return self.__dict__ | {"_scorer": None}


def _model_folder(path: Path) -> Path:
    return path / "model" if (path / "model").is_dir() else path


def _read_card(path: Path) -> dict[str, Any]:
    try:
        from agentgym.rewardmodel.model import read_card
    except ImportError as error:
        raise MissingExtra("torch", "train") from error
    return read_card(path)


def _prompt(task: Task) -> tuple[Message, ...]:
    return (Message("user", task.prompt),)


def _messages(answer: Any) -> tuple[Message, ...]:
    """Return what followed the prompt, ending with the assistant.

    Raises:
        ConfigError: If the environment hands over something else.
    """
    if isinstance(answer, str):
        return (Message("assistant", answer),)
    if isinstance(answer, list | tuple) and answer and isinstance(answer[-1], Message):
        messages = tuple(answer)
        return messages if messages[-1].role == "assistant" else (*messages, _SILENCE)
    raise ConfigError(
        f"a learned reward judges a text or messages, not {type(answer).__name__}; wrap it in a "
        "check that makes a text of what the environment hands over"
    )


_SILENCE = Message("assistant", "")


class _Scorer:
    """A loaded reward model; safe to use from many threads."""

    def __init__(self, folder: Path) -> None:
        from agentgym.chat.template import ChatTemplate
        from agentgym.policy.pretrained import load_tokenizer, stop_ids_of
        from agentgym.rewardmodel.fit import device_of_choice
        from agentgym.rewardmodel.model import RewardModel

        self._model = RewardModel.load(folder).to(device_of_choice())
        self.limit: int | None = getattr(self._model.base.config, "max_position_embeddings", None)
        self._template = ChatTemplate(load_tokenizer(folder), stop_ids_of(folder))
        self._waiting: deque[_Request] = deque()
        self._forward = threading.Lock()
        self._reading = threading.Lock()  # tokenizers are not safe to share between threads

    def read(self, prompt: tuple[Message, ...], answer: tuple[Message, ...]) -> tuple[Sample, int]:
        """Return the conversation as the model reads it, and the tokens of its prompt."""
        from agentgym.rewardmodel.encoding import encode

        with self._reading:
            sample = encode(self._template, prompt, answer)
        return sample, sample.mask.index(1)

    def score(self, sample: Sample, most: int) -> float:
        """Return the reward of one conversation, scored together with others that wait.

        Raises:
            Unscored: If the forward fails.
        """
        request = _Request(sample)
        self._waiting.append(request)
        with self._forward:  # whoever has it scores for all; those find theirs done
            while not request.done:
                count = min(most, len(self._waiting))
                self._score([self._waiting.popleft() for _ in range(count)])
        if request.error is not None:
            raise Unscored(f"the reward model failed: {request.error!r}") from request.error
        return request.reward

    def _score(self, requests: Sequence[_Request]) -> None:
        try:
            rewards = self.score_many([request.sample for request in requests], len(requests))
            for request, reward in zip(requests, rewards, strict=True):
                request.reward = reward
        except Exception as error:  # noqa: BLE001 - whatever kills a forward is told to all
            for request in requests:
                request.error = error
        for request in requests:
            request.done = True

    def score_many(self, samples: Sequence[Sample], most: int) -> list[float]:
        """Return the reward of each conversation."""
        import torch

        from agentgym.rewardmodel.fit import mixed_precision

        rewards: list[float] = []
        with torch.inference_mode(), mixed_precision(self._model.head.weight.device):
            for first in range(0, len(samples), most):
                rewards += self._model(samples[first : first + most]).tolist()
        return rewards


_LOADED: weakref.WeakValueDictionary[tuple[Path, int], _Scorer] = weakref.WeakValueDictionary()
_LOADING = threading.Lock()


def _shared(folder: Path) -> _Scorer:
    """Return this process's scorer of a folder; it lives as long as somebody uses it."""
    from agentgym.rewardmodel.model import CARD

    key = (folder.resolve(), (folder / CARD).stat().st_mtime_ns)  # trained anew: loaded anew
    with _LOADING:
        scorer = _LOADED.get(key)
        if scorer is None:
            scorer = _LOADED[key] = _Scorer(folder)
        return scorer
