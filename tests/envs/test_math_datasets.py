"""Files and datasets of the usual shapes; what needs the library `datasets` is skipped without."""

from __future__ import annotations

import json
import re
import sys
import time
import warnings
from pathlib import Path
from typing import Any

import pytest

from agentgym.check import check
from agentgym.errors import ConfigError, MissingExtra
from agentgym_envs.math import datasets as module
from agentgym_envs.math.datasets import Source, load_tasks
from agentgym_envs.math.env import Math

GSM8K = {"question": "Two and two?", "answer": "2 + 2 = <<2+2=4>>4\n#### 4"}
MATH = {
    "problem": "Half of a half?",
    "level": "Level 1",
    "type": "Algebra",
    "solution": r"It is $\frac12 \cdot \frac12 = \boxed{\frac{1}{4}}$.",
}
AIME = {"ID": "2024-I-1", "Problem": "How many minutes?", "Solution": "Long.", "Answer": 204}
DEEPSCALER = {"problem": "Find x.", "answer": r"-\frac{2}{3}", "solution": "So it is."}
DAPO = {
    "prompt": [{"role": "user", "content": "What is 6 times 7?"}],
    "reward_model": {"ground_truth": "42", "style": "rule"},
}
SHAPES = {
    "gsm8k": (GSM8K, "Two and two?", "4"),
    "math": (MATH, "Half of a half?", r"\frac{1}{4}"),
    "aime": (AIME, "How many minutes?", "204"),
    "deepscaler": (DEEPSCALER, "Find x.", r"-\frac{2}{3}"),
    "dapo": (DAPO, "What is 6 times 7?", "42"),
}


def write(path: Path, *rows: object) -> str:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return str(path)


def solve(**settings: Any) -> tuple[str, float]:
    """Play the first task with its oracle; return its prompt and the reward."""
    env = Math(**settings)
    (first, *_) = env.tasks.ids(env.split)
    env.reset(options={"task_id": first})
    return env.task.prompt, float(env.step(next(env.oracle()))[1])


@pytest.mark.parametrize("shape", SHAPES)
def test_file_of_a_usual_shape_needs_no_settings(tmp_path: Path, shape: str) -> None:
    row, prompt, answer = SHAPES[shape]
    path = write(tmp_path / "rows.jsonl", row)
    assert solve(path=path) == (prompt, 1.0)
    assert solve(dataset=path) == (prompt, 1.0)
    assert Math(path=path).tasks.get("train-0").answer == answer


def test_path_is_read_as_json_lines_whatever_its_name(tmp_path: Path) -> None:
    assert solve(path=write(tmp_path / "rows.txt", GSM8K)) == ("Two and two?", 1.0)


def test_final_answer_is_kept_beside_its_solution(tmp_path: Path) -> None:
    task = Math(path=write(tmp_path / "rows.jsonl", GSM8K)).tasks.get("train-0")
    assert task.answer == "4"
    assert task.metadata["solution"] == GSM8K["answer"]


def test_fields_are_named_where_they_cannot_be_guessed(tmp_path: Path) -> None:
    path = write(tmp_path / "rows.jsonl", {"q": "One?", "meta": {"a": 1}, "answer": 2})
    with pytest.raises(ConfigError, match="needs a value under one of problem, question"):
        Math(path=path)
    fields = {"problem": "q", "answer": "meta.a"}
    assert Math(path=path, fields=fields).tasks.get("train-0").answer == "1"
    with pytest.raises(ConfigError, match=r"needs a value under 'x'; it has meta, answer; name"):
        Math(path=path, fields={"problem": "q", "answer": "x"})
    with pytest.raises(ConfigError, match="fields names 'problem' and 'answer', not"):
        Math(path=path, fields={"question": "q"})


def test_bad_golds_are_left_out_with_one_warning(tmp_path: Path) -> None:
    rows = [{"problem": f"p{n}?", "answer": n} for n in range(8)]
    bad = [{"problem": "?", "answer": a} for a in ("nan", "", None, "x" * 400, [1, 2])]
    path = write(tmp_path / "rows.jsonl", *rows, *bad, {"problem": " ", "answer": 1})
    text = (
        "6 of 14 tasks of split 'train' are left out: task 'train-8' has an answer, 'nan', that "
        "does not equal itself; task 'train-9' needs a text or a number as its answer, not ''; "
        "task 'train-10' needs a text or a number as its answer, not None; ..."
    )
    with pytest.warns(UserWarning, match=re.escape(text)) as seen:
        env = Math(path=path)
    assert len(seen) == 1
    assert list(env.tasks.ids("train")) == [f"train-{n}" for n in range(8)]
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # the second environment finds the checked tasks
        assert Math(path=path).tasks is env.tasks


def test_second_environment_repeats_no_check(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[str] = []
    real = module.verify

    def counting(response: str, gold: str) -> Any:
        seen.append(gold)
        return real(response, gold)

    monkeypatch.setattr(module, "verify", counting)
    path = write(tmp_path / "rows.jsonl", *({"problem": "?", "answer": n % 3} for n in range(9)))
    Math(path=path)
    Math(path=path)
    assert seen == ["0", "1", "2"]


def test_only_the_split_in_use_is_checked(tmp_path: Path) -> None:
    path = write(
        tmp_path / "rows.jsonl",
        {"problem": "a?", "answer": 1},
        {"problem": "b?", "answer": "nan", "split": "test"},
    )
    assert list(Math(path=path).tasks.ids("train")) == ["train-0"]
    with pytest.raises(ConfigError, match="split 'test' has no usable task: task 'test-0' has"):
        Math(path=path, split="test")


def test_whole_solution_without_a_marked_answer_is_no_gold(tmp_path: Path) -> None:
    rows = ({"problem": "?", "solution": "word " * 90}, {"problem": "?", "solution": "5"})
    with pytest.warns(UserWarning, match="has a solution that marks no final answer"):
        env = Math(path=write(tmp_path / "rows.jsonl", *rows))
    assert list(env.tasks.ids("train")) == ["train-1"]


def test_dev_finds_a_validation_split(tmp_path: Path) -> None:
    path = write(tmp_path / "rows.jsonl", {**GSM8K, "split": "validation"})
    assert solve(path=path, split="dev") == ("Two and two?", 1.0)


@pytest.mark.parametrize(
    ("settings", "text"),
    [
        ({"topic": "algebra", "path": "x.jsonl"}, "topic and path exclude each other"),
        ({"dataset": "a/b", "reasoning_gym": "gcd"}, "dataset and reasoning_gym exclude"),
        ({"path": "x.jsonl", "level": 2}, "level=2 is of the built-in problems"),
        ({"dataset": "a/b", "config": {"size": 3}}, "config of a dataset is its name"),
    ],
)
def test_contradictions_are_refused(settings: dict[str, Any], text: str) -> None:
    with pytest.raises(ConfigError, match=text):
        Math(**settings)


def test_missing_library_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "datasets", None)
    with pytest.raises(MissingExtra, match=r"pip install 'agentgym-rl\[datasets\]'"):
        Math(dataset="openai/gsm8k", config="main")
    write(tmp_path / "rows.jsonl", GSM8K)  # needs no library
    assert solve(dataset=str(tmp_path / "rows.jsonl"))[1] == 1.0


# What follows reads with the library itself.


@pytest.fixture
def library(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    found = pytest.importorskip("datasets", reason="the extra 'datasets' is not installed")
    monkeypatch.setattr(found.config, "HF_DATASETS_CACHE", tmp_path / "cache")
    found.disable_progress_bars()
    return found


def rows_of(library: Any, *rows: dict[str, Any]) -> Any:
    return library.Dataset.from_list(list(rows))


@pytest.mark.parametrize("shape", SHAPES)
def test_saved_folder_is_read(tmp_path: Path, library: Any, shape: str) -> None:
    row, prompt, _ = SHAPES[shape]
    data = library.DatasetDict({"train": rows_of(library, row), "test": rows_of(library, row)})
    data.save_to_disk(tmp_path / "saved")
    assert solve(dataset=str(tmp_path / "saved"), split="test") == (prompt, 1.0)


def test_saved_split_is_read(tmp_path: Path, library: Any) -> None:
    rows_of(library, GSM8K).save_to_disk(tmp_path / "saved")
    assert solve(dataset=str(tmp_path / "saved")) == ("Two and two?", 1.0)


@pytest.mark.parametrize("kind", ["parquet", "json", "csv"])
def test_file_is_read(tmp_path: Path, library: Any, kind: str) -> None:
    path = str(tmp_path / f"rows.{kind}")
    getattr(rows_of(library, DEEPSCALER), f"to_{kind}")(path)
    assert solve(dataset=path) == ("Find x.", 1.0)


def test_folder_of_files_is_read_by_its_names(tmp_path: Path, library: Any) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    write(folder / "train.jsonl", GSM8K, {**GSM8K, "question": "Again?"})
    write(folder / "test.jsonl", {**GSM8K, "question": "At last?"})
    assert solve(dataset=str(folder), split="test") == ("At last?", 1.0)
    with pytest.raises(ConfigError, match=r"no split 'dev'; there are \['train', 'test'\]"):
        Math(dataset=str(folder), split="dev")


def test_dataset_keeps_the_contract(tmp_path: Path, library: Any) -> None:
    rows = ({"problem": f"What is {n} + 1?", "answer": n + 1} for n in range(50, 60))
    rows_of(library, *rows).save_to_disk(tmp_path / "saved")
    report = check("agentgym/Math-v0", kwargs={"dataset": str(tmp_path / "saved")})
    assert [row for row in report.rows if not row.ok] == []


def test_broken_file_is_named(tmp_path: Path, library: Any) -> None:
    path = tmp_path / "rows.parquet"
    path.write_bytes(b"no parquet")
    with pytest.raises(ConfigError, match=r"cannot read the dataset '.*rows.parquet'"):
        Math(dataset=str(path))
    (tmp_path / "rows.xlsx").write_bytes(b"?")
    with pytest.raises(ConfigError, match=r"no reader for '.xlsx'; use .jsonl, .parquet"):
        Math(dataset=str(tmp_path / "rows.xlsx"))


@pytest.mark.parametrize("offline", [True, False])
def test_hub_that_cannot_be_reached_is_said_at_once(
    library: Any, monkeypatch: pytest.MonkeyPatch, offline: bool
) -> None:
    constants = pytest.importorskip("huggingface_hub.constants")
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", offline)
    monkeypatch.setattr(library.config, "HF_HUB_OFFLINE", offline)
    monkeypatch.setattr(constants, "ENDPOINT", "http://127.0.0.1:9")  # nobody listens there
    started = time.perf_counter()
    with pytest.raises(ConfigError) as caught:
        load_tasks(Source("openai/gsm8k", "main"), "train")
    assert time.perf_counter() - started < 5.0
    for part in ("cannot load the dataset 'openai/gsm8k'", "save_to_disk(folder)", "config=..."):
        assert part in str(caught.value)
    assert constants.HF_HUB_OFFLINE is offline
