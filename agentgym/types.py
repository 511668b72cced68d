"""The data that flows through agentgym: frozen dataclasses without behaviour.

    Task -> Message, ToolCall -> Verdict -> Sample, Turn -> Episode -> Group

Everything here is plain data that can be written as JSON (`dataclasses.asdict`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

__all__ = [
    "Answer",
    "Completion",
    "Episode",
    "EpisodeStatus",
    "FinishReason",
    "Group",
    "Message",
    "Role",
    "Rule",
    "Sample",
    "SamplingParams",
    "Task",
    "ToolCall",
    "Turn",
    "Verdict",
]

Role = Literal["system", "user", "assistant", "tool"]
FinishReason = Literal["stop", "length"]
EpisodeStatus = Literal["scored", "unscored"]


@dataclass(frozen=True, slots=True)
class Task:
    """One problem: what the agent is asked and what the verifier knows.

    Attributes:
        id: Unique within the environment and stable between runs.
        prompt: The text that the agent reads first.
        answer: What the verifier compares with; never shown to the agent.
        split: The named part of the task set that it belongs to.
        metadata: Anything else that can be written as JSON.
    """

    id: str
    prompt: str
    answer: Any = None
    split: str = "train"
    metadata: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ToolCall:
    """A tool's name and its arguments, as the model gave them."""

    name: str
    arguments: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Answer:
    """A final answer: the action that ends an episode."""

    text: str


@dataclass(frozen=True, slots=True)
class Message:
    """One chat message. Tool results have the role ``tool`` and the tool's ``name``."""

    role: Role
    content: str
    name: str | None = None


@dataclass(frozen=True, slots=True)
class Rule:
    """One line of a verdict: what was checked, what it gave, and why."""

    name: str
    score: float
    weight: float = 1.0
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Verdict:
    """The terminal judgement of an episode.

    Attributes:
        score: The reward.
        rules: One line per rule that was checked.
        reason: One line that says what decided.
        extracted: The answer that was found in the response, if there is such a thing.
    """

    score: float
    rules: tuple[Rule, ...] = ()
    reason: str = ""
    extracted: str | None = None

    @classmethod
    def of(cls, **rules: float) -> Verdict:
        """Judge by conditions that must all hold: the score is the smallest of them.

        Args:
            rules: Name to truth value, or to a score in [0, 1].
        """
        lines = tuple(Rule(name, float(score)) for name, score in rules.items())
        failed = [line.name for line in lines if line.score < 1.0]
        reason = f"failed: {', '.join(failed)}" if failed else "all rules hold"
        return cls(min((line.score for line in lines), default=0.0), lines, reason)


@dataclass(frozen=True, slots=True)
class SamplingParams:
    """How a policy samples one turn.

    Attributes:
        max_tokens: At most this many new tokens.
        temperature: 0 is greedy. Log-probabilities are those of softmax(logits / temperature).
        seed: Makes this one request reproducible where the engine can; None leaves it free.
    """

    max_tokens: int = 512
    temperature: float = 1.0
    seed: int | None = None


@dataclass(frozen=True, slots=True)
class Completion:
    """What a policy sampled for one turn.

    Attributes:
        ids: The sampled token ids, the stop token included where one was sampled.
        logprobs: Log-probability of each id under the sampling distribution; None where an
            endpoint does not give them.
        finish_reason: ``stop`` at a stop token, ``length`` at the token limit.
        version: The weights that sampled its last token.
        text: The text, where the policy has it and the ids cannot say it exactly.
        versions: The weights that sampled each token, where they were swapped in flight; empty
            where all are of `version`.
    """

    ids: tuple[int, ...]
    logprobs: tuple[float, ...] | None
    finish_reason: FinishReason
    version: int = 0
    text: str | None = None
    versions: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Sample:
    """A token-exact sequence: what the learner trains on.

    Attributes:
        ids: All token ids, prompt and observations included, shape (T,).
        mask: 1 exactly on the sampled ids, shape (T,).
        logprobs: Behaviour log-probabilities, 0.0 where the mask is 0, shape (T,).
        version: The weights that sampled its last token.
        agent: Who spoke, for environments with several agents.
        versions: The weights that sampled each token, -1 where the mask is 0, shape (T,); empty
            stands for `version` everywhere.
    """

    ids: tuple[int, ...]
    mask: tuple[int, ...]
    logprobs: tuple[float, ...]
    version: int = 0
    agent: str = "agent"
    versions: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Turn:
    """One action and what came back.

    Attributes:
        action: The text that the environment received.
        observation: The new text that came back; empty after the last action.
        prompt_tokens: Tokens that the policy read.
        sampled_tokens: Tokens that the policy wrote.
        finish_reason: Why the policy stopped.
        tool_calls: Names of the tools that the environment ran.
        sample_s: Seconds spent waiting for the policy.
        env_s: Seconds spent waiting for the environment.
    """

    action: str
    observation: str
    prompt_tokens: int
    sampled_tokens: int
    finish_reason: FinishReason
    tool_calls: tuple[str, ...] = ()
    sample_s: float = 0.0
    env_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Episode:
    """One attempt at one task.

    Attributes:
        task_id: The task.
        index: Which sibling of its group.
        seed: What the environment was reset with.
        status: ``scored``, or ``unscored`` where a fault that is not the model's ended it.
        reward: The terminal reward; None when unscored.
        reason: Why it is unscored, or what decided the verdict.
        verdict: The judgement, rule by rule; None when unscored.
        messages: The whole conversation.
        turns: One entry per action.
        samples: What was sampled, token by token; more than one where the history forked.
        terminated: The environment ended the episode.
        truncated: A limit ended it.
        limit: The limit that ended it: ``turns``, ``context`` or ``tokens``; None otherwise.
        attempts: How many times it was started.
    """

    task_id: str
    index: int
    seed: int
    status: EpisodeStatus
    reward: float | None
    reason: str
    verdict: Verdict | None = None
    messages: tuple[Message, ...] = ()
    turns: tuple[Turn, ...] = ()
    samples: tuple[Sample, ...] = ()
    terminated: bool = False
    truncated: bool = False
    limit: str | None = None
    attempts: int = 1


@dataclass(frozen=True, slots=True)
class Group:
    """The K episodes of one (task, seed): siblings that baseline each other."""

    task_id: str
    seed: int
    episodes: tuple[Episode, ...]
