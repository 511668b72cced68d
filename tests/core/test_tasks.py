import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

import agentgym as ag
from agentgym.errors import ConfigError, UnknownTask

STARTS = {"a": "ca978112ca1bbdca", "abc": "ba7816bf8f01cfea", "0": "5feceb66ffc86f38"}


def draw(rng, split, index):
    return ag.Task("", f"{split} {rng.randrange(10**9)}", index)


@pytest.fixture
def generated():
    return ag.TaskSet.generate(draw, {"train": 10**12, "test": 3}, seed=4)


def write(path, *rows):
    path.write_text("\n".join(row if isinstance(row, str) else json.dumps(row) for row in rows))
    return ag.TaskSet.from_jsonl(path)


def test_generate_names_tasks_by_split_and_index(generated):
    assert list(generated.ids("test")) == ["test-0", "test-1", "test-2"]
    task = generated.get("test-1")
    assert (task.id, task.split, task.answer) == ("test-1", "test", 1)


def test_generate_is_lazy_for_a_huge_split(generated):
    ids = generated.ids("train")
    assert len(ids) == 10**12
    assert ids[-1] == "train-999999999999"
    assert list(ids[5:7]) == ["train-5", "train-6"]
    assert "train-999999999999" in ids
    assert generated.get(ids[-1]).answer == 10**12 - 1


def test_generate_depends_on_seed_split_and_index_alone(generated):
    again = ag.TaskSet.generate(draw, {"train": 10, "test": 3}, seed=4)
    again.get("train-2")
    assert again.get("train-7") == generated.get("train-7")
    assert again.get("train-7").prompt != again.get("train-8").prompt
    other = ag.TaskSet.generate(draw, {"train": 10}, seed=5)
    assert other.get("train-7").prompt != again.get("train-7").prompt


@pytest.mark.parametrize(
    "task_id",
    ["test-3", "test--1", "test-01", "test- 1", "test-1_0", "test-", "dev-0", "", "test-²"],
)
def test_get_refuses_an_unknown_id(generated, task_id):
    with pytest.raises(UnknownTask, match=f"no task '{task_id}'"):
        generated.get(task_id)


def test_get_names_the_range_of_ids(generated):
    with pytest.raises(UnknownTask, match="it has 3 tasks, from 'test-0' to 'test-2'"):
        generated.get("test-9", "test")


def test_get_refuses_a_task_of_another_split(generated):
    with pytest.raises(UnknownTask):
        generated.get("train-1", "test")


def test_ids_refuses_an_unknown_split(generated):
    with pytest.raises(ConfigError, match="no split 'tst'; did you mean 'test'"):
        generated.ids("tst")


def test_ids_refuses_an_empty_split():
    with pytest.raises(ConfigError, match="split 'dev' has no tasks"):
        ag.TaskSet.generate(draw, {"dev": 0}).ids("dev")


def test_hash_changes_with_content_only():
    task = ag.Task("a", "p", [1], "train", {"k": 1})
    moved = ag.Task("b", "p", [1], "test", {"k": 1})
    other = ag.Task("c", "p", [2], "train", {"k": 1})
    tasks = ag.TaskSet.of([task, moved, other])
    assert tasks.hash("a") == tasks.hash("b")
    assert tasks.hash("a") != tasks.hash("c")
    assert len(tasks.hash("a")) == 16


def test_hash_takes_an_answer_that_json_has_no_form_for():
    by_place = [ag.Task(name, "p", {(1, 2): gold}) for name, gold in (("a", 3), ("b", 4))]
    tasks = ag.TaskSet.of(by_place)
    assert tasks.hash("a") != tasks.hash("b")


def test_of_refuses_two_tasks_of_one_id():
    with pytest.raises(ConfigError, match="two tasks have the id 'a'"):
        ag.TaskSet.of([ag.Task("a", "p"), ag.Task("a", "q")]).ids("train")


def test_from_jsonl_reads_rows(tmp_path):
    tasks = write(
        tmp_path / "t.jsonl",
        {"prompt": "1+1?", "answer": "2"},
        {"problem": "2+2?", "solution": "4", "level": 3},
        "",
        {"question": "3+3?", "answer": 6, "split": "test", "id": 17},
    )
    assert tasks.splits == ("train", "test")
    assert list(tasks.ids("train")) == ["train-0", "train-1"]
    assert tasks.get("train-1") == ag.Task("train-1", "2+2?", "4", "train", {"level": 3})
    assert tasks.get("17") == ag.Task("17", "3+3?", 6, "test")


def test_from_jsonl_reads_when_first_needed(tmp_path):
    tasks = ag.TaskSet.from_jsonl(tmp_path / "later.jsonl")
    (tmp_path / "later.jsonl").write_text('{"prompt": "now"}')
    assert tasks.get("train-0").prompt == "now"


@pytest.mark.parametrize(
    ("row", "complaint"),
    [
        ("{", "not JSON"),
        ("[1]", "expected a JSON object, found list"),
        ({"answer": "2"}, "needs a text under one of prompt, problem, question"),
        ({"prompt": 3}, "needs a text"),
        ({"prompt": " "}, "needs a text"),
        ({"prompt": "a", "question": "b"}, "has both 'prompt' and 'question'"),
        ({"prompt": "a", "split": 3}, "'split' must be a text, not 3"),
        ({"prompt": "a", "id": [1]}, "'id' must be a text or a whole number"),
        ({"prompt": "a", "id": "first"}, "a row above has the id 'first' too"),
    ],
)
def test_from_jsonl_names_file_and_line_of_a_bad_row(tmp_path, row, complaint):
    tasks = write(tmp_path / "t.jsonl", {"prompt": "fine", "id": "first"}, row)
    with pytest.raises(ConfigError, match=rf"t\.jsonl:2: .*{complaint}"):
        tasks.ids("train")


def test_from_jsonl_without_a_file_says_so(tmp_path):
    with pytest.raises(ConfigError, match=r"cannot read tasks from '.*none\.jsonl'"):
        ag.TaskSet.from_jsonl(tmp_path / "none.jsonl").ids("train")


def test_from_jsonl_without_rows_says_so(tmp_path):
    with pytest.raises(ConfigError, match="has no rows"):
        write(tmp_path / "t.jsonl", "").ids("train")


@given(st.text())
def test_split_of_is_one_of_the_shares(key):
    assert ag.split_of(key) in ("train", "dev", "test")
    assert ag.split_of(key, {"only": 1}) == "only"


def test_split_of_keeps_to_the_shares():
    counts = {"train": 0, "dev": 0, "test": 0}
    for number in range(5000):
        counts[ag.split_of(str(number))] += 1
    assert 3800 < counts["train"] < 4200
    assert 400 < counts["dev"] < 600
    assert 400 < counts["test"] < 600


def test_split_of_follows_the_hash_of_the_key():
    # sha256("a") begins with ca978112ca1bbdca and sha256("abc") with ba7816bf8f01cfea.
    places = {key: int(start, 16) % 4 for key, start in STARTS.items()}
    assert places == {"a": 2, "abc": 2, "0": 0}
    assert [ag.split_of(key, {"first": 2, "second": 2}) for key in places] == [
        "second",
        "second",
        "first",
    ]
