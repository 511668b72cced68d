"""Problems of others: JSON Lines files and Hugging Face datasets, every answer checked once.

Left out: streaming, revisions of a dataset, and images.
"""

from __future__ import annotations

import importlib
import threading
import warnings
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

from agentgym.errors import ConfigError, Fault, MissingExtra
from agentgym.tasks import TaskSet, jsonl_rows
from agentgym.types import Task
from agentgym_envs.math.extract import extract
from agentgym_envs.math.verify import verify

__all__ = ["ANSWER_FIELDS", "PROBLEM_FIELDS", "Source", "load_tasks"]

PROBLEM_FIELDS = ("problem", "question", "prompt", "input")
ANSWER_FIELDS = (
    "answer",
    "final_answer",
    "expected_answer",
    "ground_truth",
    "target",
    "reward_model.ground_truth",
    "solution",
)
MAX_GOLD = 300  # characters; a longer text that marks no final answer is a whole solution
_DEV = ("validation", "valid", "val")
_BUILDERS = {".parquet": "parquet", ".arrow": "arrow", ".json": "json", ".csv": "csv"}
_PROBE_S = 5.0
_LOCK = threading.Lock()


@dataclass(frozen=True, slots=True)
class Source:
    """Where problems come from.

    Attributes:
        name: A file, a folder, or the name of a dataset on the Hugging Face hub.
        config: The dataset's configuration, where it has several.
        problem: The field of the problem; None finds it among `PROBLEM_FIELDS`.
        answer: The field of the answer; None finds it among `ANSWER_FIELDS`. ``a.b`` is field b of
            field a.
        lines: It is a file of JSON Lines, whatever its name; else the name must end in ``.jsonl``.
    """

    name: str
    config: str | None = None
    problem: str | None = None
    answer: str | None = None
    lines: bool = False


@dataclass(slots=True)
class _Sorted:
    """The rows of a split: those that can be used, and why the others cannot."""

    good: list[Task] = field(default_factory=list)
    bad: list[str] = field(default_factory=list)
    equal: dict[str, bool] = field(default_factory=dict)  # golds that were compared already


def load_tasks(source: Source, split: str) -> TaskSet:
    """Return the problems of one split whose answers can be judged.

    A file is read again when it has changed; otherwise a process reads and checks a split once.
    Rows whose answer does not verify against itself are left out, with one warning.

    Raises:
        ConfigError: If the source cannot be read, has no such split, or no answer can be used.
        MissingExtra: If it needs the library ``datasets``, which is not installed.
    """
    file = Path(source.name).expanduser().absolute()
    with _LOCK:  # environments are made in threads; one of them does the work
        return _checked(source, split, file.stat().st_mtime_ns if file.exists() else 0)


@lru_cache(maxsize=16)
def _checked(source: Source, split: str, changed_ns: int) -> TaskSet:
    found = _Sorted()
    for number, (place, row) in enumerate(_rows(source, split)):
        _sort(found, source, row, place, Task(f"{split}-{number}", "", split=split))
    if not found.good:
        reason = found.bad[0] if found.bad else "it has no rows"
        raise ConfigError(f"{source.name}: split '{split}' has no usable task: {reason}")
    if found.bad:
        total = len(found.good) + len(found.bad)
        warnings.warn(
            f"{source.name}: {len(found.bad)} of {total} tasks of split '{split}' are left out: "
            f"{'; '.join(found.bad[:3])}{'; ...' if len(found.bad) > 3 else ''}",
            stacklevel=2,
        )
    return TaskSet.of(found.good)


def _sort(found: _Sorted, source: Source, row: dict[str, Any], place: str, empty: Task) -> None:
    """Make the task of a row, and say whether it can be used."""
    rest = dict(row)
    prompt = _text(_take(rest, source.problem, PROBLEM_FIELDS, place))
    raw = _take(rest, source.answer, ANSWER_FIELDS, place, needed=source.answer is not None)
    given = rest.pop("id", empty.id)
    task_id = str(given) if isinstance(given, str | int) and given != "" else empty.id
    gold = _gold(raw)
    if reason := _fault(found, prompt, raw, gold):
        found.bad.append(f"task '{task_id}' {reason}")
        return
    if gold != raw:
        rest["solution"] = raw
    found.good.append(Task(task_id, prompt, gold, empty.split, rest))


def _fault(found: _Sorted, prompt: str, raw: Any, gold: str) -> str:
    """Say what makes a row unusable; empty where nothing does."""
    if not prompt.strip():
        return "has an empty problem"
    if not isinstance(raw, str | int | float) or not str(raw).strip():
        return f"needs a text or a number as its answer, not {raw!r}"
    if not gold:
        return "has a solution that marks no final answer"
    if gold not in found.equal:
        found.equal[gold] = _equals_itself(gold)
    return "" if found.equal[gold] else f"has an answer, {gold!r}, that does not equal itself"


def _equals_itself(gold: str) -> bool:
    try:
        return verify(rf"\boxed{{{gold}}}", gold).score == 1.0
    except Fault:
        return False


def _gold(raw: Any) -> str:
    """Return the final answer of a gold that may be a whole worked solution; empty if none."""
    text = str(raw).strip()
    return extract(text) or (text if len(text) <= MAX_GOLD else "")


def _take(
    row: dict[str, Any], chosen: str | None, usual: tuple[str, ...], place: str, needed: bool = True
) -> Any:
    """Remove and return a row's value under the chosen name, or under the first usual one."""
    names = {name.casefold(): name for name in row}
    for path in (chosen,) if chosen else usual:
        first, _, second = path.partition(".")
        name = first if first in row else names.get(first.casefold())
        if name is None or (second and not isinstance(row[name], Mapping)):
            continue
        value = row.pop(name)
        value = value.get(second) if second else value
        return value[0] if isinstance(value, list) and len(value) == 1 else value
    if not needed:
        return None
    wanted = f"'{chosen}'" if chosen else f"one of {', '.join(usual)}"
    raise ConfigError(
        f"{place}: needs a value under {wanted}; it has {', '.join(row) or 'nothing'}; name the "
        "right one with fields={'problem': ..., 'answer': ...}"
    )


def _text(value: Any) -> str:
    """Return the text of a problem, which may be a list of chat messages."""
    if isinstance(value, Mapping):
        return str(value.get("content", ""))
    if isinstance(value, list):
        return _text(value[-1]) if value else ""
    return value if isinstance(value, str) else ""


def _rows(source: Source, split: str) -> Iterable[tuple[str, dict[str, Any]]]:
    file = Path(source.name).expanduser()
    if source.lines or file.suffix == ".jsonl":
        return _jsonl_rows(file.absolute(), split)
    found = _splits(source, file)
    data = found[_chosen(split, list(found), source.name)]
    return ((f"{source.name} row {number}", dict(row)) for number, row in enumerate(data))


def _jsonl_rows(file: Path, split: str) -> list[tuple[str, dict[str, Any]]]:
    splits: dict[str, list[tuple[str, dict[str, Any]]]] = {}
    for place, row in jsonl_rows(file):
        name = row.pop("split", "train")
        if not isinstance(name, str) or not name:
            raise ConfigError(f"{place}: 'split' must be a text, not {name!r}")
        splits.setdefault(name, []).append((place, row))
    if not splits:
        raise ConfigError(f"{file} has no rows; write one JSON object a line")
    return splits[_chosen(split, list(splits), str(file))]


def _chosen(split: str, available: list[str], name: str) -> str:
    if split in available:
        return split
    for other in _DEV if split == "dev" else ():
        if other in available:
            return other
    raise ConfigError(f"{name}: no split '{split}'; there are {available}")


def _splits(source: Source, path: Path) -> Mapping[str, Iterable[Mapping[str, Any]]]:
    """Return the splits of a saved folder, a file, or a dataset of the hub."""
    try:
        library = importlib.import_module("datasets")
    except ImportError as error:
        raise MissingExtra("datasets", "datasets") from error
    try:
        found = _load(library, source, path)
    except (OSError, ValueError, library.exceptions.DatasetsError) as error:
        raise ConfigError(_unread(source.name, path, error)) from error
    return found if isinstance(found, Mapping) else {str(found.split or "train"): found}


def _load(library: Any, source: Source, path: Path) -> Any:
    if path.is_dir() and any((path / name).exists() for name in _SAVED):
        return library.load_from_disk(str(path))
    if path.is_file():
        if path.suffix not in _BUILDERS:
            raise ValueError(f"no reader for '{path.suffix}'; use .jsonl, {', '.join(_BUILDERS)}")
        return library.load_dataset(_BUILDERS[path.suffix], data_files={"train": str(path)})
    if path.is_dir():
        return library.load_dataset(str(path), source.config)
    with _offline_if_unreachable(library):
        return library.load_dataset(source.name, source.config)


_SAVED = ("dataset_dict.json", "state.json")  # what `save_to_disk` writes


@contextmanager
def _offline_if_unreachable(library: Any) -> Iterator[None]:
    """Let the library use its cache at once where the hub cannot be reached.

    Left alone it tries for half a minute before it does the same.
    """
    import httpx

    constants: Any = importlib.import_module("huggingface_hub.constants")
    before = (constants.HF_HUB_OFFLINE, library.config.HF_HUB_OFFLINE)
    try:
        if not any(before):
            httpx.head(constants.ENDPOINT, timeout=_PROBE_S)
    except httpx.HTTPError:
        constants.HF_HUB_OFFLINE = library.config.HF_HUB_OFFLINE = True
    try:
        yield
    finally:
        constants.HF_HUB_OFFLINE, library.config.HF_HUB_OFFLINE = before


def _unread(name: str, path: Path, error: Exception) -> str:
    if path.exists():
        return f"cannot read the dataset '{name}': {error}"
    return (
        f"cannot load the dataset '{name}': {error}; it is no file or folder here. Check the name "
        "and give config=... if it has several; where the hub cannot be reached, load it once "
        "elsewhere, store it with save_to_disk(folder) and give dataset=folder, or give a JSON "
        "Lines file as path"
    )
