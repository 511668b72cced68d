"""The texts of token ids, by the tokenizer that a run left beside its weights."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from agentgym.chat.template import ByteTemplate
from agentgym.evaluate.saved import SavedRun

__all__ = ["tokenizer_file", "vocabulary"]

_NAME = "tokenizer.json"
_MARKS = {ByteTemplate.START: "<start>", ByteTemplate.END: "<end>"}


def vocabulary(run: SavedRun, ids: Iterable[int]) -> dict[int, str]:
    """Return the texts of ids; of none, where no tokenizer is found or none can be loaded.

    Ids of scripted policies and of endpoints are bytes, which needs no tokenizer.
    """
    used = sorted(ids)
    file = tokenizer_file(run)
    if file is None:
        is_bytes = bool(used) and used[-1] <= ByteTemplate.END
        return {token: _byte(token) for token in used} if is_bytes else {}
    tokenizer = _loaded(file)
    return {} if tokenizer is None else {token: _text(tokenizer, token) for token in used}


def tokenizer_file(run: SavedRun) -> Path | None:
    """Return the run's ``tokenizer.json``: its model's, a checkpoint's, or its policy's."""
    return next((file for folder in _folders(run) if (file := folder / _NAME).is_file()), None)


def _folders(run: SavedRun) -> Iterator[Path]:
    yield run.path / "model"
    for checkpoint in sorted(run.path.glob("checkpoints/step-*"), reverse=True):
        yield checkpoint / "model"
    for name in ("model", "policy"):
        value = run.config.get(name)
        if not isinstance(value, str):
            continue
        for text in (value, value.partition(":")[2].partition("@")[0]):
            if text:
                yield from (Path(text).expanduser(), Path(text).expanduser() / "model")


def _loaded(file: Path) -> Any:
    try:
        from tokenizers import Tokenizer

        return Tokenizer.from_file(str(file))
    except Exception:  # noqa: BLE001 - absent, of another version, torn: ids are shown instead
        return None


def _text(tokenizer: Any, token: int) -> str:
    """Return a token's text with its leading space; its spelling where it is half a letter."""
    piece = tokenizer.id_to_token(token)
    if piece is None:
        return f"<{token}>"
    text = str(tokenizer.decode([token], skip_special_tokens=False))
    if "\ufffd" in text or not text:
        return str(piece)
    return f" {text}" if piece.startswith("\u2581") and not text.startswith(" ") else text


def _byte(token: int) -> str:
    if token in _MARKS:
        return _MARKS[token]
    return chr(token) if token < 0x80 else f"<{token:02X}>"
