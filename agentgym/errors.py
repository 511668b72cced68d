"""The exceptions of agentgym.

Three kinds of failure are never mixed. A model's mistake is an observation, so it has no class
here. A fault of the infrastructure makes an episode unscored. A caller's mistake raises at once.

    AgentGymError
    ├── UsageError                    a caller's mistake: its text says the way out
    │   ├── UnknownEnvironment        no such id, with the nearest ones
    │   ├── DuplicateEnvironment      a different spec already has this id
    │   ├── UnknownTask               no task of this id in this split
    │   ├── UnknownPolicy             a policy's name that nothing answers to
    │   ├── ToolDefinitionError       a tool whose signature cannot become a schema
    │   ├── ConfigError               an unknown or contradictory setting
    │   ├── ChatTemplateError         a tokenizer without a usable chat template
    │   └── MissingExtra              an optional package is not installed
    ├── Fault                         ours, never the model's: the episode is unscored
    │   ├── EnvironmentFault          an environment raised, hung or lost its sandbox
    │   │   └── Unscored              a verifier that could not do its work
    │   └── PolicyFault               the engine or the endpoint failed
    ├── WeightSyncError               sampler and learner disagree after a push
    └── RunError                      a run folder that cannot be used as asked
"""

from __future__ import annotations

__all__ = [
    "AgentGymError",
    "ChatTemplateError",
    "ConfigError",
    "DuplicateEnvironment",
    "EnvironmentFault",
    "Fault",
    "MissingExtra",
    "PolicyFault",
    "RunError",
    "ToolDefinitionError",
    "UnknownEnvironment",
    "UnknownPolicy",
    "UnknownTask",
    "Unscored",
    "UsageError",
    "WeightSyncError",
]


class AgentGymError(Exception):
    """Base of all errors that agentgym raises."""


class UsageError(AgentGymError):
    """A caller's mistake; the text says what to do instead."""


class UnknownEnvironment(UsageError):
    """No environment has this id."""


class DuplicateEnvironment(UsageError):
    """A different environment already has this id."""


class UnknownTask(UsageError):
    """No task of this id in the environment's split."""


class UnknownPolicy(UsageError):
    """No policy answers to this name."""


class ToolDefinitionError(UsageError):
    """A tool's signature or docstring cannot become a JSON schema."""


class ConfigError(UsageError):
    """A setting is unknown, out of range or contradicts another."""


class ChatTemplateError(UsageError):
    """The tokenizer has no chat template, or one that cannot carry a conversation."""


class MissingExtra(UsageError):
    """An optional package is not installed."""

    def __init__(self, package: str, extra: str) -> None:
        super().__init__(
            f"{package} is not installed; install it with: pip install 'agentgym-rl[{extra}]'"
        )


class Fault(AgentGymError):
    """Something that is not the model's doing failed; the episode is unscored."""


class EnvironmentFault(Fault):
    """An environment raised, hung or lost its sandbox."""


class Unscored(EnvironmentFault):
    """A verifier could not do its work, through no doing of the response that it judged."""


class PolicyFault(Fault):
    """The sampling engine or the endpoint failed."""


class WeightSyncError(AgentGymError):
    """After a weight push the sampler's log-probabilities differ from the learner's."""


class RunError(AgentGymError):
    """A run folder cannot be written, read or resumed as asked."""
