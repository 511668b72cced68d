"""What the report is made of: counted, chosen, made small and shut in, without a browser."""

from __future__ import annotations

import base64
import gzip
import hashlib
import json
import re
from dataclasses import replace
from pathlib import Path
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from made_runs import HOSTILE, made_episode, write_eval_run, write_train_run

from agentgym.chat.toolcalls import call, render
from agentgym.errors import RunError, UsageError
from agentgym.evaluate.compare import compare
from agentgym.evaluate.report import Report, watch, write_report
from agentgym.evaluate.report.catalogue import Entry, catalogue, columns, outcome
from agentgym.evaluate.report.choice import chosen
from agentgym.evaluate.report.comparisons import comparisons, results_of
from agentgym.evaluate.report.curves import charts
from agentgym.evaluate.report.document import document, pack
from agentgym.evaluate.report.findings import findings
from agentgym.evaluate.report.gradient import mean_advantage, sample_view
from agentgym.evaluate.report.overview import run_overview
from agentgym.evaluate.report.pages import Chunk
from agentgym.evaluate.report.vocabulary import vocabulary
from agentgym.evaluate.saved import SavedTask, open_run
from agentgym.rollout.ledger import episode_to_json
from agentgym.types import Episode, Message, Sample, Turn


def entry(number: int, group: int, how: str = "solved") -> Entry:
    score = {"solved": 1.0, "error": None}.get(how, 0.0)
    return Entry(number, 0, "e", 0, f"t{group}", "", number, group, how, False, score, "", 1, 5)  # type: ignore[arg-type]


def inside(file: Path) -> dict[str, Any]:
    """Return the overview of a report, read as a browser reads it."""
    found = re.search(r'id="overview">(.*?)</script>', file.read_text("utf-8"), re.DOTALL)
    assert found
    return dict(json.loads(found[1]))


def unpacked(file: Path, name: str) -> Any:
    found = re.search(f'id="pack-{name}">(.*?)</script>', file.read_text("utf-8"))
    assert found
    return json.loads(gzip.decompress(base64.b64decode(found[1])))


@pytest.mark.parametrize("end", ["solved", "failed", "limit", "error"])
def test_outcome_of_an_episode(end: str) -> None:
    assert outcome(made_episode("t", 0, Random(0), end=end)) == end


def test_outcome_of_a_solved_episode_is_solved_whatever_ended_it() -> None:
    episode = replace(made_episode("t", 0, Random(0), end="limit"), reward=1.0)
    assert outcome(episode) == "solved"


def test_catalogue_numbers_groups_and_takes_a_task_played_anew_for_another(tmp_path: Path) -> None:
    run = open_run(write_eval_run(tmp_path / "run", tasks=2, rollouts=2))
    file = run.path / "episodes.jsonl"
    file.write_text(file.read_text() * 2)
    assert [e.group for e in catalogue(run)] == [0, 0, 1, 1, 2, 2, 3, 3]


def test_catalogue_takes_the_prompt_of_a_lost_episode_from_its_task(tmp_path: Path) -> None:
    run = open_run(write_eval_run(tmp_path / "run", tasks=1, rollouts=2))
    lost = Episode("task-0", 0, 7, "unscored", None, "the sandbox died")
    line = episode_to_json(0, lost, env="demo/Shop-v0")
    (run.path / "episodes.jsonl").write_text(f"{line}\n")
    (found,) = catalogue(run)
    assert (found.outcome, found.prompt) == ("error", "task-0: fill the cart")


def test_columns_name_texts_by_number() -> None:
    made = columns([entry(0, 0), entry(1, 0, "error")], {0: 3}, {0: 0.5}, {1: "unscored"})
    texts = made["texts"]
    assert [texts[i] for i in made["task"]] == ["t0", "t0"]
    assert made["outcome"] == ["s", "e"]
    assert made["chunk"] == [3, -1]
    assert made["advantage"] == [0.5, None]
    assert [texts[i] for i in made["dropped"]] == ["", "unscored"]


def test_chosen_are_whole_groups_with_the_newest_and_the_faults_among_them() -> None:
    entries = [
        entry(4 * g + i, g, "error" if g == 7 else "solved") for g in range(50) for i in range(4)
    ]
    groups = chosen(entries, 10)
    assert [len(group) for group in groups] == [4, 4]
    assert [group[0].group for group in groups] == [49, 7]


def test_chosen_are_all_where_there_is_room_and_none_where_there_is_none() -> None:
    entries = [entry(n, n // 2) for n in range(6)]
    assert sorted(e.number for group in chosen(entries, 6) for e in group) == [0, 1, 2, 3, 4, 5]
    assert chosen(entries, 0) == []
    assert [e.number for e in chosen([entry(n, 0) for n in range(9)], 4)[0]] == [0, 1, 2, 3]


def test_chosen_spread_over_the_run() -> None:
    groups = chosen([entry(n, n, "failed") for n in range(1000)], 40)
    places = [group[0].group for group in groups]
    assert min(places) < 100
    assert sum(300 < place < 700 for place in places) > 5


def test_sample_view_rounds_and_shares_what_was_read() -> None:
    sample = Sample(
        (7, 8, 9, 7), (0, 1, 1, 0), (0.0, -0.12345, -2.0, 0.0), 4, versions=(-1, 3, 4, -1)
    )
    row = {"dropped": "", "advantage": -0.51, "logprobs": [-0.12395, -1.9], "kept": [1, 0]}
    view = sample_view(sample, row, lambda ids: ids[0])
    assert view == {
        "agent": "agent", "version": 4, "versions": [3, 4], "dropped": "", "advantage": -0.51,
        "runs": [7, [(8, 9), [123, 2000]], 7], "gaps": [-5, 1000], "kept": [1, 0],
    }  # fmt: skip


def test_sample_view_leaves_out_what_does_not_fit_the_sample() -> None:
    sample = Sample((8, 9), (1, 1), (-1.0, float("nan")), 0)
    row = {"dropped": "stale", "advantage": [0.5, 0.5], "logprobs": [-1.0], "kept": [1, 1, 1]}
    view = sample_view(sample, row, lambda _: 0)
    assert view["runs"] == [[(8, 9), [1000, 0]]]
    assert view["advantage"] == 0.5
    assert view["dropped"] == "stale"
    assert not view.keys() & {"gaps", "kept", "versions"}
    assert "dropped" not in sample_view(sample, None, lambda _: 0)


def test_mean_advantage_is_over_tokens_that_have_one() -> None:
    assert mean_advantage({"advantage": [1.0, None, 2.0]}) == 1.5
    assert mean_advantage({"advantage": None}) is None


def page_of(episode: Episode, task: SavedTask | None = None) -> tuple[dict[str, Any], list[str]]:
    chunk = Chunk()
    chunk.add(5, 0, episode, task, [])
    value = chunk.value()
    return value["pages"][5], value["texts"]


def test_page_pairs_each_call_with_its_result() -> None:
    action = f"First.\n{render(call('add', n=1))}{render(call('look'))}"
    episode = Episode(
        "t", 0, 0, "scored", 1.0, "",
        messages=(Message("user", "go"), Message("assistant", action),
                  Message("tool", "added", "add"), Message("tool", "a cart", "look")),
        turns=(Turn(action, "added\n\na cart", 3, 9, "length", ("add", "look")),),
    )  # fmt: skip
    page, texts = page_of(episode)
    (turn,) = page["turns"]
    assert texts[turn["said"]] == "First."
    assert [(texts[name], arguments) for name, arguments in turn["calls"]] == [
        ("add", {"n": 1}),
        ("look", {}),
    ]
    assert [texts[content] for _, content, _ in turn["results"]] == ["added", "a cart"]
    assert turn["cut"]


def test_page_takes_a_last_observation_that_is_not_in_the_conversation() -> None:
    episode = Episode(
        "t", 0, 0, "scored", 0.0, "", messages=(Message("user", "go"), Message("assistant", "a")),
        turns=(Turn("a", "too late", 3, 9, "stop"),),
    )  # fmt: skip
    page, texts = page_of(episode)
    assert [texts[content] for _, content, _ in page["turns"][0]["results"]] == ["too late"]
    assert "calls" not in page["turns"][0]


def test_page_leaves_out_the_middle_of_long_texts() -> None:
    long = "a" * 30_000 + "z" * 30_000
    task = SavedTask("e", "t", "test", "", "p", {"answer": [long]})
    chunk = Chunk()
    chunk.add(0, 0, Episode("t", 0, 0, "scored", 0.0, long), task, [])
    value = chunk.value()
    kept = value["texts"][value["pages"][0]["reason"]]
    assert kept == value["tasks"][0]["gold"]["answer"][0]
    assert kept.startswith("aaa")
    assert kept.endswith("zzz")
    assert "[... 40000 characters left out ...]" in kept


def test_vocabulary_of_policies_without_a_tokenizer_is_bytes(tmp_path: Path) -> None:
    run = open_run(write_eval_run(tmp_path / "run"))
    assert vocabulary(run, [97, 10, 0xC3, 256]) == {97: "a", 10: "\n", 0xC3: "<C3>", 256: "<start>"}
    assert vocabulary(run, [97, 300]) == {}


def test_vocabulary_is_that_of_the_model_in_the_run_folder(tmp_path: Path) -> None:
    from tokenizers import Tokenizer, decoders, models

    run = open_run(write_eval_run(tmp_path / "run"))
    tokenizer = Tokenizer(models.BPE({"\u0120the": 0, "\u00c3": 1, "x": 2}, []))
    tokenizer.decoder = decoders.ByteLevel()
    folder = run.path / "checkpoints" / "step-000010" / "model"
    folder.mkdir(parents=True)
    tokenizer.save(str(folder / "tokenizer.json"))
    told = {0: " the", 1: "\u00c3", 2: "x", 9: "<9>"}  # half a letter is spelled as it is stored
    assert vocabulary(run, [0, 1, 2, 9]) == told
    (folder / "tokenizer.json").write_text("{}")
    assert vocabulary(run, [0]) == {}


def test_overview_counts_faults_apart_from_failures(tmp_path: Path) -> None:
    run = open_run(write_eval_run(tmp_path / "run", tasks=3, rollouts=3, finished=False))
    entries = catalogue(run)
    view = run_overview(run, entries)
    (block,) = view["blocks"]
    assert view["counts"]["error"] == block["errors"] == 1
    assert block["scored"] == 8
    assert view["counts"]["solved"] + view["counts"]["failed"] + view["counts"]["limit"] == 8
    assert view["reasons"] == [("the environment failed: the sandbox died", 1)]
    assert not view["finished"]


def test_overview_reads_the_summary_where_there_is_one(tmp_path: Path) -> None:
    run = open_run(write_eval_run(tmp_path / "run", envs=("a", "b")))
    view = run_overview(run, catalogue(run))
    told = json.loads((run.path / "summary.json").read_text())["environments"]
    for block in view["blocks"]:
        score = told[block["env"]]["score"]
        assert block["score"] == [score["mean"], *score["ci95"]]
        assert block["passes"] == [["1", score["mean"], score["mean"]]]


def test_overview_of_a_training_that_goes_on_has_its_first_evaluation_alone(tmp_path: Path) -> None:
    run = open_run(write_train_run(tmp_path / "run", finished=False))
    training = run_overview(run, catalogue(run))["training"]
    (row,) = run.evaluations()
    means = [sum(values) / 2 for values in row["rewards"].values()]
    assert training["before"][0] == pytest.approx(sum(means) / 6)
    assert not training.keys() & {"after", "gain"}
    assert training["steps"] == 3


def test_comparisons_are_those_of_compare(tmp_path: Path) -> None:
    runs = [
        open_run(write_eval_run(tmp_path / name, envs=envs, tasks=tasks, seed=seed))
        for name, envs, tasks, seed in (("a", ("e", "f"), 6, 0), ("b", ("e",), 5, 1))
    ]
    (found,) = comparisons([results_of(run, catalogue(run)) for run in runs])
    told = compare(runs[0].path, runs[1].path)
    (row,) = found["environments"]
    tested = told.environments["e"].tested
    assert tested is not None
    assert row["gain"] == [tested.difference.mean, tested.difference.low, tested.difference.high]
    assert (row["p"], row["tasks"], row["only"]) == (tested.p_holm, 5, [1, 0])
    assert (found["run"], found["verdict"]) == (1, told.verdict)
    assert row["verdict"] == told.environments["e"].verdict


def test_comparisons_pass_over_runs_that_have_nothing_in_common(tmp_path: Path) -> None:
    one = open_run(write_eval_run(tmp_path / "a", envs=("e",)))
    other = open_run(write_eval_run(tmp_path / "b", envs=("f",)))
    begun = open_run(write_train_run(tmp_path / "c", finished=False))
    (begun.path / "evaluations.jsonl").unlink()
    results = [results_of(run, catalogue(run)) for run in (one, other, begun)]
    assert results[2] is None
    assert comparisons(results) == []
    assert comparisons([None, results[0]]) == []


def test_findings_warn_of_leaks_and_faults(tmp_path: Path) -> None:
    run = open_run(write_train_run(tmp_path / "run"))
    view = run_overview(run, catalogue(run))
    has = {"tasks": True, "learned": False, "texts": True, "more": True}
    found = findings(view, [{"gap_max": 3.0, "no_signal": 0.9, "updated": False}], 20, has)
    alarms = [text for kind, text in found if kind == "alarm"]
    assert any(text.startswith("2 of 6 evaluation tasks are training tasks") for text in alarms)
    assert any(text.startswith("3 of 24 episodes are unscored") for text in alarms)
    assert any("differed by up to 3 nats" in text for text in alarms)
    notes = " ".join(text for kind, text in found if kind == "note")
    for words in ("90% of the groups", "1 of 1 steps", "20 have a page", "no learned.jsonl"):
        assert words in notes


def test_findings_tell_of_a_run_that_was_stopped_and_of_prompts_that_are_alike(
    tmp_path: Path,
) -> None:
    run = open_run(write_eval_run(tmp_path / "run"))
    summary = json.loads((run.path / "summary.json").read_text())
    hygiene = {"compared": [9, 4], "overlap": 0, "same_prompt": 2}
    told = {**summary, "finished": False, "cost_usd": 1.5, "hygiene": hygiene}
    (run.path / "summary.json").write_text(json.dumps(told))
    view = run_overview(run, catalogue(run))
    assert view["cost_usd"] == 1.5
    found = findings(view, [], 12, {"tasks": True, "learned": True, "texts": True, "more": True})
    assert [(kind, text[:25]) for kind, text in found] == [
        ("alarm", "1 of 12 episodes are unsc"),
        ("alarm", "a limit cut 1 of 12 episo"),
        ("alarm", "the run was stopped by it"),
        ("note", "no overlap between 9 trai"),
        ("note", "2 of 4 evaluation tasks h"),
    ]


def test_charts_keep_the_ends_and_leave_out_what_does_not_move(tmp_path: Path) -> None:
    run = open_run(write_train_run(tmp_path / "run"))
    rows = [{"step": n, "reward": n / 1000, "entropy": 1.0} for n in range(1, 1001)]
    (run.path / "metrics.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    (main,) = charts([run])
    points = main["lines"][0]["points"]
    assert len(points) <= 401
    assert (points[0], points[-1]) == ([1, 0.001], [1000, 1.0])
    assert [mark[0] for mark in main["marks"][0]["points"]] == [0, 3]


def test_document_lets_in_its_own_script_and_style_only() -> None:
    page = document("t", {}, {})
    policy = re.search(r'Content-Security-Policy" content="([^"]*)"', page)
    assert policy
    told = policy[1].replace("&#x27;", "'")
    script = re.search(r"<script>(.*?)</script>", page, re.DOTALL)
    style = re.search(r"<style>(.*?)</style>", page, re.DOTALL)
    assert script
    assert style
    for kind, text in (("script", script[1]), ("style", style[1])):
        digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
        assert f"{kind}-src 'sha256-{digest}'" in told
    assert "default-src 'none'" in told
    assert "innerHTML" not in script[1]


def test_document_has_no_place_where_a_text_is_markup() -> None:
    page = document(HOSTILE, {"text": HOSTILE}, {"0-0": pack({"text": HOSTILE})})
    assert page.count("<script") == page.count("</script") == 3
    assert "<img" not in page
    assert "<b>" not in page


@settings(max_examples=40)
@given(st.text(st.characters(codec=None)))
def test_document_gives_texts_back_as_they_were(text: str) -> None:
    page = document("t", {"text": text}, {"x": pack([text])})
    found = re.search(r'id="overview">([^<>&]*)</script>', page)
    assert found
    assert json.loads(found[1]) == {"text": text}
    packed = re.search(r'id="pack-x">([A-Za-z0-9+/=]*)</script>', page)
    assert packed
    assert json.loads(gzip.decompress(base64.b64decode(packed[1]))) == [text]


def test_pack_writes_null_for_what_json_has_no_number_for() -> None:
    packed = pack({"a": [float("nan"), (float("inf"), 1.0)]})
    assert json.loads(gzip.decompress(base64.b64decode(packed))) == {"a": [None, [None, 1.0]]}


def test_report_lists_all_episodes_and_gives_pages_to_some(tmp_path: Path) -> None:
    run = write_train_run(tmp_path / "run", steps=4)
    written = write_report([run], tmp_path / "deep" / "r.html", episodes=10)
    assert (written.episodes, written.pages) == (32, 8)
    assert written.size_bytes == written.path.stat().st_size
    listed = unpacked(written.path, "0-list")
    assert sum(chunk >= 0 for chunk in listed["chunk"]) == 8
    assert len(listed["env"]) == 32
    notes = [text for _, text in inside(written.path)["runs"][0]["findings"]]
    assert any("32 episodes are listed, 8 have a page" in text for text in notes)


def test_report_joins_what_the_gradient_saw_with_its_samples(tmp_path: Path) -> None:
    run = write_train_run(tmp_path / "run", steps=1)
    file = write_report([run], tmp_path / "r.html").path
    row = json.loads((run / "learned.jsonl").read_text().splitlines()[0])
    listed = unpacked(file, "0-list")
    assert listed["texts"][listed["dropped"][0]] == row["dropped"] == "no signal"
    pages = unpacked(file, "0-0")["pages"]
    assert [len(pages[str(n)]["samples"]) for n in range(8)] == [1, 1, 1, 1, 2, 1, 1, 1]
    sampled = json.loads((run / "learned.jsonl").read_text().splitlines()[-1])["logprobs"]
    assert len(pages["7"]["samples"][0]["gaps"]) == len(sampled)
    assert unpacked(file, "0-0")["tasks"]["0"]["gold"] == {"pear": 0}
    assert unpacked(file, "0-texts")["97"] == "a"


def test_report_tells_apart_what_the_gradient_saw_of_a_task_that_came_twice(tmp_path: Path) -> None:
    run = write_train_run(tmp_path / "run", steps=1)
    for name in ("episodes.jsonl", "learned.jsonl"):
        lines = (run / name).read_text().replace("train-0", "train-1")
        (run / name).write_text(lines)
    listed = unpacked(write_report([run], tmp_path / "r.html").path, "0-list")
    dropped = [listed["texts"][number] for number in listed["dropped"]]
    assert dropped == ["no signal"] * 4 + ["", "", "unscored", ""]


def test_report_refuses_no_run_a_run_twice_and_what_is_none(tmp_path: Path) -> None:
    run = write_eval_run(tmp_path / "run")
    for runs in ([], [run, tmp_path / "." / "run"]):
        with pytest.raises(UsageError, match="at least one run, each given once"):
            write_report(runs, tmp_path / "r.html")
    with pytest.raises(RunError, match="is no run folder"):
        write_report([tmp_path], tmp_path / "r.html")
    assert not (tmp_path / "r.html").exists()


def test_report_calls_runs_of_the_same_name_by_their_paths(tmp_path: Path) -> None:
    runs = [write_eval_run(tmp_path / part / "run") for part in ("a", "b")]
    views = inside(write_report(runs, tmp_path / "r.html").path)["runs"]
    assert [view["name"] for view in views] == [str(run) for run in runs]


def test_report_of_a_run_that_has_just_begun_is_empty(tmp_path: Path) -> None:
    run = write_eval_run(tmp_path / "run")
    for file in ("episodes.jsonl", "tasks.jsonl", "summary.json"):
        (run / file).unlink()
    written = write_report([run], tmp_path / "r.html")
    assert (written.episodes, written.pages, written.finished) == (0, 0, False)


def test_watch_writes_whenever_the_run_grows_and_ends_with_it(tmp_path: Path) -> None:
    run = write_train_run(tmp_path / "run", steps=2, finished=False)
    seen: list[Report] = []

    def told(report: Report) -> None:
        seen.append(report)
        assert inside(report.path)["refresh_s"] == (None if report.finished else 0.01)
        write_train_run(run, steps=2 + len(seen), finished=len(seen) == 2)

    last = watch([run], tmp_path / "r.html", every_s=0.01, told=told)
    assert [report.episodes for report in seen] == [16, 24, 32]
    assert [report.finished for report in seen] == [False, False, True]
    assert last == seen[-1]


def test_watch_tells_of_a_run_that_cannot_be_read(tmp_path: Path) -> None:
    run = write_train_run(tmp_path / "run", finished=False)
    with (run / "metrics.jsonl").open("a") as file:
        file.write("no json\n")
    with pytest.raises(RunError, match=r"metrics\.jsonl' line 4 cannot be read"):
        watch([run], tmp_path / "r.html", every_s=0.01)


def test_report_of_long_episodes_says_that_no_more_pages_fit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from agentgym.evaluate.report import written

    monkeypatch.setattr(written, "_MOST", 3_000)
    run = write_eval_run(tmp_path / "run", tasks=6)
    found = write_report([run], tmp_path / "r.html")
    assert 0 < found.pages < 18
    assert found.pages % 3 == 0  # groups stay whole
    notes = [text for _, text in inside(found.path)["runs"][0]["findings"]]
    assert any(text.endswith("more would not fit into one file") for text in notes)
