"""agentgym: train and evaluate LLM agents by reinforcement learning with verifiable rewards.

Every name is loaded when it is first used: importing agentgym loads nothing heavy.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from agentgym._builtin import register_with_gymnasium

if TYPE_CHECKING:
    from agentgym import errors, wrappers
    from agentgym.chat.toolcalls import Action, answer, call
    from agentgym.env import Env, Reply, ToolEnv
    from agentgym.evaluate.runner import evaluate
    from agentgym.evaluate.suites import register_suite
    from agentgym.registry import list_envs, make, make_vec, register, spec
    from agentgym.rewards import Rubric
    from agentgym.rollout.pool import EnvPool
    from agentgym.rollout.runner import arollout, rollout
    from agentgym.rollout.spec import EnvSpec, EpisodeLimits
    from agentgym.spaces import TextSpace
    from agentgym.tasks import TaskSet, split_of
    from agentgym.tools import ToolError, tool
    from agentgym.train.config import TrainConfig
    from agentgym.train.loop import train
    from agentgym.types import (
        Answer,
        Completion,
        Episode,
        Group,
        Message,
        Rule,
        Sample,
        SamplingParams,
        Task,
        ToolCall,
        Turn,
        Verdict,
    )

__all__ = [
    "Action",
    "Answer",
    "Completion",
    "Env",
    "EnvPool",
    "EnvSpec",
    "Episode",
    "EpisodeLimits",
    "Group",
    "Message",
    "Reply",
    "Rubric",
    "Rule",
    "Sample",
    "SamplingParams",
    "Task",
    "TaskSet",
    "TextSpace",
    "ToolCall",
    "ToolEnv",
    "ToolError",
    "TrainConfig",
    "Turn",
    "Verdict",
    "answer",
    "arollout",
    "call",
    "errors",
    "evaluate",
    "list_envs",
    "make",
    "make_vec",
    "register",
    "register_suite",
    "rollout",
    "spec",
    "split_of",
    "tool",
    "train",
    "wrappers",
]

_HOMES = {
    "chat.toolcalls": ("Action", "answer", "call"),
    "env": ("Env", "Reply", "ToolEnv"),
    "evaluate.suites": ("register_suite",),
    "registry": ("list_envs", "make", "make_vec", "register", "spec"),
    "rewards": ("Rubric",),
    "rollout.pool": ("EnvPool",),
    "rollout.runner": ("arollout",),
    "rollout.spec": ("EnvSpec", "EpisodeLimits"),
    "spaces": ("TextSpace",),
    "tasks": ("TaskSet", "split_of"),
    "tools": ("ToolError", "tool"),
    "train.config": ("TrainConfig",),
    "types": (
        *("Answer", "Completion", "Episode", "Group", "Message", "Rule", "Sample"),
        *("SamplingParams", "Task", "ToolCall", "Turn", "Verdict"),
    ),
}
_MODULES = ("errors", "evaluate", "rollout", "train", "wrappers")  # three of them can be called
_HOME = {name: home for home, names in _HOMES.items() for name in names}


def __getattr__(name: str) -> Any:
    if name in _MODULES:
        return importlib.import_module(f"{__name__}.{name}")
    if name not in _HOME:
        raise AttributeError(f"module '{__name__}' has no attribute '{name}'")
    value = getattr(importlib.import_module(f"{__name__}.{_HOME[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})


register_with_gymnasium()
