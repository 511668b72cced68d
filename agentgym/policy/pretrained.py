"""Reading Hugging Face model folders, with errors that a user can act on."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from agentgym.errors import ConfigError, MissingExtra

__all__ = ["load_model", "load_tokenizer", "stop_ids_of"]


def _transformers() -> Any:
    try:
        import transformers
    except ImportError as error:
        raise MissingExtra("transformers", "train") from error
    return transformers


def _causes() -> tuple[type[Exception], ...]:
    """Return what reading a folder that is not as it should be can raise."""
    from safetensors import SafetensorError

    kinds = (OSError, ValueError, LookupError, TypeError, AttributeError, RuntimeError)
    return (*kinds, SafetensorError)


def _unusable(model: str | Path, error: Exception) -> ConfigError:
    reason = str(error).strip().splitlines()[0] if str(error).strip() else repr(error)
    if str(model).startswith(("/", ".", "~")) and not Path(model).exists():
        reason = "there is no such folder"
    return ConfigError(
        f"no usable model at '{model}' ({reason}); give 'starter', a folder that "
        "save_pretrained wrote, or a name on the model hub"
    )


def load_tokenizer(model: str | Path) -> Any:
    """Return the tokenizer of a model.

    Raises:
        ConfigError: If there is none.
    """
    transformers = _transformers()
    try:
        kind = "PreTrainedTokenizerFast" if _is_own(Path(model)) else "AutoTokenizer"
        return getattr(transformers, kind).from_pretrained(str(model))
    except _causes() as error:
        raise _unusable(model, error) from error


def _is_own(folder: Path) -> bool:
    """Return whether a folder's tokenizer says that it is of no model's family.

    AutoTokenizer takes it for that of the model's family all the same, and splits words as that
    does: the ids are then not those that the model was taught.
    """
    file = folder / "tokenizer_config.json"
    if not file.is_file():
        return False
    return bool(json.loads(file.read_text()).get("tokenizer_class") == "TokenizersBackend")


def load_model(model: str | Path, dtype: Any) -> Any:
    """Return the causal language model, its weights in ``dtype``.

    Raises:
        ConfigError: If there is none.
    """
    try:
        return _transformers().AutoModelForCausalLM.from_pretrained(str(model), dtype=dtype)
    except _causes() as error:
        raise _unusable(model, error) from error


def stop_ids_of(model: str | Path) -> tuple[int, ...]:
    """Return the ids that the model's generation config stops at; none if it has no such file."""
    try:
        config = _transformers().GenerationConfig.from_pretrained(str(model))
    except OSError:
        return ()
    stops = config.eos_token_id
    if stops is None:
        return ()
    return tuple(stops) if isinstance(stops, list) else (int(stops),)
