"""From a policy's name, as it is written on a command line, to the policy."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from agentgym.errors import UnknownPolicy
from agentgym.policy.base import Policy
from agentgym.suggest import perhaps_you_meant

__all__ = ["POLICIES", "model_folder", "policy_maker", "resolve"]

_FORMS = (
    "use oracle, random, null, starter, replay:RUN, openai:MODEL[@URL], vllm:PATH, "
    "vllm-process:PATH, vllm-server:PATH[@URL], transformers:PATH, or the path of a model folder "
    "or of a run folder"
)


def resolve(text: str, **options: Any) -> Policy:
    """Return the policy of this name.

    Args:
        text: ``oracle``, ``random``, ``null``, ``starter``, ``replay:RUN``,
            ``openai:MODEL[@URL]``, ``vllm:PATH``, ``vllm-process:PATH``,
            ``vllm-server:PATH[@URL]``, ``transformers:PATH``, or the path of a model folder or a
            run folder (its newest model).
        options: Passed to the policy's constructor.

    Raises:
        UnknownPolicy: If nothing answers to it, with the forms that work.
        MissingExtra: If it needs a package that is not installed.
        RunError: If a run that is to be replayed cannot be read.
    """
    return policy_maker(text)(options)


def policy_maker(text: str) -> Callable[[Mapping[str, Any]], Policy]:
    """Return what makes the policy of this name from its constructor's options.

    Raises:
        UnknownPolicy: If nothing answers to it, with the forms that work.
    """
    name, _, rest = text.partition(":")
    if name in POLICIES and (bool(rest) == (name in _WITH_ARGUMENT)):
        return partial(POLICIES[name], rest)
    if name in _WITH_ARGUMENT:
        raise UnknownPolicy(f"policy '{text}' needs a name: {name}:NAME; {_FORMS}")
    folder = _model_folder(Path(text).expanduser())
    if folder is not None:
        return partial(_local, str(folder))
    hint = "" if "/" in text or ":" in text else f"{perhaps_you_meant(name, POLICIES)} or "
    if hint.startswith("known"):
        hint = ""
    raise UnknownPolicy(f"no policy '{text}'; {hint}{_FORMS}")


def model_folder(text: str, progress: Callable[[str], None] | None = None) -> Path | None:
    """Return the folder of a policy's weights; None where it has none on this machine.

    Args:
        text: The policy's name, as of `resolve`. The starter is made if it is not there.
        progress: Called with a line now and then while it is made.
    """
    name, _, model = text.partition(":")
    if text == "starter":
        from agentgym.train.starter import ensure_starter

        return ensure_starter(progress=progress)
    if name in _BY_WEIGHTS:
        return _model_folder(Path(_without_url(model)))
    return None if name in POLICIES else _model_folder(Path(text).expanduser())


def _without_url(model: str) -> str:
    name, at, url = model.rpartition("@")
    return name if at and url.startswith(("http://", "https://")) else model


def _oracle(_: str, options: Mapping[str, Any]) -> Policy:
    from agentgym.policy.scripted import OraclePolicy

    return OraclePolicy(**options)


def _random(_: str, options: Mapping[str, Any]) -> Policy:
    from agentgym.policy.scripted import RandomPolicy

    return RandomPolicy(**options)


def _null(_: str, options: Mapping[str, Any]) -> Policy:
    from agentgym.policy.scripted import NullPolicy

    return NullPolicy(**options)


def _openai(model: str, options: Mapping[str, Any]) -> Policy:
    from agentgym.policy.openai import OpenAIPolicy

    name, at, url = model.rpartition("@")
    if at and url.startswith(("http://", "https://")):
        return OpenAIPolicy(name, url, **options)
    return OpenAIPolicy(model, **options)


def _replay(run: str, options: Mapping[str, Any]) -> Policy:
    from agentgym.policy.replay import ReplayPolicy

    return ReplayPolicy(run, **options)


def _vllm(model: str, options: Mapping[str, Any]) -> Policy:
    from agentgym.policy.vllm import VllmPolicy

    return VllmPolicy(str(_model_folder(Path(model)) or model), **options)


def _vllm_process(model: str, options: Mapping[str, Any]) -> Policy:
    return _sampler("vllm-process", model, options)


def _vllm_server(model: str, options: Mapping[str, Any]) -> Policy:
    name, at, url = model.rpartition("@")
    if at and url.startswith(("http://", "https://")):
        return _sampler(url, name, options)
    return _sampler("vllm-server", model, options)


def _sampler(name: str, model: str, options: Mapping[str, Any]) -> Policy:
    from agentgym.policy.samplers import sampler

    made: Policy = sampler(name, str(_model_folder(Path(model)) or model), **options)
    return made


def _transformers(model: str, options: Mapping[str, Any]) -> Policy:
    from agentgym.policy.transformers import TransformersPolicy

    return TransformersPolicy(str(_model_folder(Path(model)) or model), **options)


def _starter(_: str, options: Mapping[str, Any]) -> Policy:
    from agentgym.train.starter import ensure_starter

    return _local(str(ensure_starter()), options)


def _local(model: str, options: Mapping[str, Any]) -> Policy:
    """Return a model folder's policy: by vLLM where that is installed."""
    from importlib.util import find_spec

    return (_vllm if find_spec("vllm") else _transformers)(model, options)


def _model_folder(path: Path) -> Path | None:
    """Return the model that a path stands for: itself, or a run's newest; None if neither.

    A run that was finished and then taken up again has checkpoints newer than its final model.
    """
    checkpoints = sorted(path.glob("checkpoints/step-[0-9]*/model"), reverse=True)
    newest = int(checkpoints[0].parent.name.removeprefix("step-")) if checkpoints else 0
    final = [path / "model"]
    ordered = final + checkpoints if _steps(path) >= newest else checkpoints + final
    return next((folder for folder in (path, *ordered) if _is_model(folder)), None)


def _steps(run: Path) -> int:
    """Return the steps of a run that was finished; 0 of any other."""
    try:
        return int(json.loads((run / "summary.json").read_text("utf-8"))["steps"])
    except (OSError, ValueError, LookupError, TypeError):
        return 0


def _is_model(folder: Path) -> bool:
    """Tell a model folder from a run folder, which has a config.json too."""
    try:
        return "model_type" in json.loads((folder / "config.json").read_text("utf-8"))
    except (OSError, ValueError, TypeError):
        return False


POLICIES: Mapping[str, Callable[[str, Mapping[str, Any]], Policy]] = {
    "null": _null,
    "openai": _openai,
    "oracle": _oracle,
    "random": _random,
    "replay": _replay,
    "starter": _starter,
    "transformers": _transformers,
    "vllm": _vllm,
    "vllm-process": _vllm_process,
    "vllm-server": _vllm_server,
}

_BY_WEIGHTS = frozenset({"transformers", "vllm", "vllm-process", "vllm-server"})
_WITH_ARGUMENT = _BY_WEIGHTS | {"openai", "replay"}
