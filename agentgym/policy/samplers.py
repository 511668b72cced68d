"""The ways to sample from a model whose weights are pushed, by the names that users give them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from agentgym.errors import ConfigError

__all__ = ["SAMPLERS", "is_url", "sampler"]


def is_url(name: str) -> bool:
    """Return whether a sampler's name is the URL of a server."""
    return name.startswith(("http://", "https://"))


def sampler(name: str, model: str | Path, **options: Any) -> Any:
    """Return a policy that samples from a model and takes weights.

    Args:
        name: One of `SAMPLERS`, or the URL of a server.
        model: A Hugging Face model folder or name.
        options: Of the policy: ``context``, ``concurrency``, ``seed``, ``gpu_memory``; for an
            engine outside of this process also ``weights_folder``.

    Raises:
        ConfigError: If there is no such way, or it does not start.
        MissingExtra: If it needs a package that is not installed.
    """
    if is_url(name):
        return _server(model, options, name)
    if name not in SAMPLERS:
        known = ", ".join(f"'{each}'" for each in SAMPLERS)
        raise ConfigError(f"no sampler '{name}'; use {known}, or a server's URL")
    return SAMPLERS[name](model, options)


def _vllm(model: str | Path, options: Mapping[str, Any]) -> Any:
    from agentgym.policy.vllm import VllmPolicy

    return VllmPolicy(model, **_without(options, "weights_folder"))


def _process(model: str | Path, options: Mapping[str, Any]) -> Any:
    from agentgym.policy.supervised import SupervisedPolicy
    from agentgym.policy.vllm_process import ProcessEngine

    engine = ProcessEngine(model, **_without(options, "weights_folder"))
    return SupervisedPolicy(model, engine, options.get("weights_folder"))


def _server(model: str | Path, options: Mapping[str, Any], url: str | None = None) -> Any:
    from agentgym.policy.supervised import SupervisedPolicy
    from agentgym.policy.vllm_server import ServerEngine

    engine = ServerEngine(model, url, **_without(options, "weights_folder"))
    return SupervisedPolicy(model, engine, options.get("weights_folder"))


def _transformers(model: str | Path, options: Mapping[str, Any]) -> Any:
    from agentgym.policy.transformers import TransformersPolicy

    context, batch = options.get("context"), options.get("concurrency", 64)
    policy = TransformersPolicy(model, context=context, batch=batch)
    if policy.context_limit is None:
        raise ConfigError(f"the model at '{model}' names no longest context; set context")
    return policy


def _without(options: Mapping[str, Any], name: str) -> dict[str, Any]:
    return {key: value for key, value in options.items() if key != name}


SAMPLERS: Mapping[str, Callable[[str | Path, Mapping[str, Any]], Any]] = {
    "vllm": _vllm,
    "vllm-process": _process,
    "vllm-server": _server,
    "transformers": _transformers,
}
