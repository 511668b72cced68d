from __future__ import annotations

from typing import Any

import pytest

from agentgym_envs.world.answers import same_answer
from agentgym_envs.world.check import judge
from agentgym_envs.world.database import Change
from agentgym_envs.world.expect import AnyOf, Delete, Expected, IdOf, Insert, Like, Update
from agentgym_envs.world.rewards import REWARDS

DONE = {"answer": None, "status": "success"}


def new(id_: int, table: str = "notes", **columns: Any) -> Change:
    return Change(table, id_, None, {"id": id_, **columns})


def changed(id_: int, before: dict[str, Any], **columns: Any) -> Change:
    return Change("notes", id_, {"id": id_, **before}, {"id": id_, **before, **columns})


def gone(id_: int, **columns: Any) -> Change:
    return Change("notes", id_, {"id": id_, **columns}, None)


@pytest.mark.parametrize(
    ("wanted", "given", "same"),
    [
        (None, None, True),
        (None, "", True),
        (None, "done", False),
        (None, 0, False),
        (42, 42, True),
        (42, "42", True),
        (42, 42.0, True),
        (42, "42.00", True),
        (1234, "1,234", True),
        (1234, "$1,234", True),
        (1234, "12,34", False),
        (42, "forty-two", False),
        (42, "42 or 43", False),
        (42, "41", False),
        (42, None, False),
        (0, None, False),
        (0.1, "0.1", True),
        ("Blue Moon", " blue  moon. ", True),
        ("Blue Moon", '"Blue Moon"', True),
        ("Blue Moon", "Blue", False),
        ("Blue Moon", "The answer is Blue Moon", False),
        ("", "x", False),
        (["a", "b"], "a, b", True),
        (["a", "b"], "b, a", False),
        (["a", "b"], "a\nb", True),
        ({"a", "b"}, "b, a", True),
        ({"a", "b"}, "a, b, c", False),
        ({"a", "b"}, "a, a, b", False),
        ({"a", "b"}, "a", False),
        ({1, 2}, "2, 1.0", True),
        ([3], 3, True),
        (5, "nan", False),
        (5, "9" * 5000, False),
        (5, True, False),
    ],
)
def test_answers(wanted: Any, given: Any, same: bool) -> None:
    assert same_answer(wanted, given) is same


@pytest.mark.parametrize(
    ("wanted", "change", "fits"),
    [
        (Insert("notes", {"title": "a"}), new(1, title="a", body="x"), True),
        (Insert("notes", {"title": "a"}), new(1, title="b"), False),
        (Insert("notes", {"title": "a"}), new(1, "mails", title="a"), False),
        (Insert("notes", {"title": Like("LUNCH")}), new(1, title="a lunch at noon"), True),
        (Insert("notes", {"title": Like("lunch")}), new(1, title=None), False),
        (Insert("notes", {"size": AnyOf((1, 2))}), new(1, size=2), True),
        (Insert("notes", {"size": AnyOf((1, 2))}), new(1, size=3), False),
        (Insert("notes", {"size": lambda size: size > 2}), new(1, size=3), True),
        (Insert("notes", {"colour": "red"}), new(1, size=3), False),
        (Insert("notes"), gone(1), False),
        (Update("notes", 1, {"size": 2}), changed(1, {"size": 1}, size=2), True),
        (Update("notes", 2, {"size": 2}), changed(1, {"size": 1}, size=2), False),
        (Update("notes", None, {"size": 2}), changed(1, {"size": 1}, size=2), True),
        (Update("notes", 1, {"size": 2}), changed(1, {"size": 1, "t": 0}, size=2, t=1), False),
        (
            Update("notes", 1, {"size": 2}, free=("t",)),
            changed(1, {"size": 1, "t": 0}, size=2, t=1),
            True,
        ),
        (
            Update("notes", 1, {"size": 2}),
            changed(1, {"size": 1, "updated_at": 0}, size=2, updated_at=1),
            True,
        ),
        (Delete("notes", 1), gone(1), True),
        (Delete("notes", 1), gone(2), False),
        (Delete("notes", None, {"title": "a"}), gone(2, title="a"), True),
        (Delete("notes", 1), new(1), False),
    ],
)
def test_expectation_fits_a_change(wanted: Any, change: Change, fits: bool) -> None:
    assert wanted.fits(change) is fits


def test_verdict_holds_when_all_was_done() -> None:
    expected = Expected(answer=3, changes=(Insert("notes", {"title": "a"}),))
    verdict = judge(expected, [new(1, title="a")], {"answer": "3", "status": "success"})
    assert (verdict.score, verdict.reason, verdict.extracted) == (1.0, "all rules hold", "3")
    assert [rule.name for rule in verdict.rules] == [
        "1: insert notes",
        "answer",
        "status",
        "no collateral damage",
    ]


def test_each_expectation_needs_a_change_of_its_own() -> None:
    expected = Expected(changes=(Insert("notes", {"title": "a"}),) * 2)
    assert judge(expected, [new(1, title="a")], DONE).score == 0.0
    assert judge(expected, [new(1, title="a"), new(2, title="a")], DONE).score == 1.0
    third = [new(n, title="a") for n in (1, 2, 3)]
    assert judge(expected, third, DONE).reason == "failed: no collateral damage"


def test_changes_are_paired_so_that_most_fit() -> None:
    loose, strict = Insert("notes", {"title": Like("a")}), Insert("notes", {"title": "a"})
    made = [new(1, title="a"), new(2, title="ab")]
    for order in ((loose, strict), (strict, loose)):
        assert judge(Expected(changes=order), made, DONE).score == 1.0
        assert judge(Expected(changes=order), made[::-1], DONE).score == 1.0


def sheet(title: str, *items: str) -> tuple[Insert, ...]:
    """A new list with its items."""
    top = Insert("lists", {"title": title})
    return (top, *(Insert("items", {"text": text, "list_id": IdOf(top)}) for text in items))


def made_sheet(id_: int, title: str, *items: str) -> list[Change]:
    first = 10 * id_
    made = [new(first + n, "items", text=text, list_id=id_) for n, text in enumerate(items)]
    return [*made, new(id_, "lists", title=title)]


def test_reference_holds_for_the_id_of_the_row_that_was_made() -> None:
    expected = Expected(changes=sheet("a", "x", "y"))
    assert judge(expected, made_sheet(7, "a", "y", "x"), DONE).score == 1.0
    elsewhere = [*made_sheet(7, "a", "y"), new(1, "items", text="x", list_id=3)]
    assert (
        judge(expected, elsewhere, DONE).reason == "failed: 2: insert items, no collateral damage"
    )


def test_rows_of_two_new_rows_must_not_be_swapped() -> None:
    expected = Expected(changes=(*sheet("a", "x"), *sheet("b", "y")))
    right = made_sheet(1, "a", "x") + made_sheet(2, "b", "y")
    swapped = made_sheet(1, "a", "y") + made_sheet(2, "b", "x")
    assert judge(expected, right, DONE).score == 1.0
    assert judge(expected, swapped, DONE).score == 0.0


def test_row_goes_to_the_change_that_has_all_that_refers_to_it() -> None:
    small, large = sheet("a", "x"), sheet("a", "x", "y")
    made = [made_sheet(1, "a", "x", "y"), made_sheet(2, "a", "x")]
    for wanted in (small + large, large + small):
        for changes in (made[0] + made[1], made[1] + made[0]):
            assert judge(Expected(changes=wanted), changes, DONE).score == 1.0


def test_reference_to_a_reference_holds() -> None:
    top, *rest = sheet("a", "x")
    note = Insert("marks", {"item_id": IdOf(rest[0])})
    expected = Expected(changes=(note, *rest, top))
    made = made_sheet(4, "a", "x")
    assert judge(expected, [new(1, "marks", item_id=40), *made], DONE).score == 1.0
    assert judge(expected, [new(1, "marks", item_id=4), *made], DONE).score == 0.0


def test_changed_row_may_refer_to_a_new_one() -> None:
    top = Insert("lists")
    expected = Expected(changes=(Update("notes", 1, {"list_id": IdOf(top)}), top))
    for id_, score in ((5, 1.0), (6, 0.0)):
        made = [changed(1, {"list_id": 0}, list_id=id_), new(5, "lists")]
        assert judge(expected, made, DONE).score == score


def test_what_refers_to_a_row_that_was_not_made_does_not_count() -> None:
    expected = Expected(changes=sheet("a", "x"))
    verdict = judge(expected, made_sheet(1, "b", "x"), DONE)
    assert [rule.score for rule in verdict.rules[:2]] == [0.0, 0.0]


def test_incomplete_row_counts_with_what_it_has() -> None:
    expected = Expected(changes=sheet("a", "x", "y"))
    verdict = judge(expected, made_sheet(1, "a", "y"), DONE)
    assert [rule.score for rule in verdict.rules[:3]] == [1.0, 0.0, 1.0]


def test_reference_that_leads_nowhere_is_refused() -> None:
    top, item = sheet("a", "x")
    with pytest.raises(ValueError, match="must refer to a row of the same"):
        Expected(changes=(item,))
    with pytest.raises(ValueError, match="must refer to a row of the same"):
        Expected(changes=(item, Insert("lists", {"title": "a"})))
    two = Insert("marks", {"a": IdOf(top), "b": IdOf(top)})
    with pytest.raises(ValueError, match="the only column"):
        Expected(changes=(top, two))


def test_allowed_changes_are_no_damage() -> None:
    read = changed(5, {"is_read": 0}, is_read=1)
    for allowed in ("notes", Update("notes", None, {"is_read": 1})):
        assert judge(Expected(allowed=(allowed,)), [read, read], DONE).score == 1.0
    assert judge(Expected(allowed=("mails",)), [read], DONE).score == 0.0


def test_task_that_cannot_be_done_wants_fail_and_no_change() -> None:
    expected = Expected(status="fail")
    assert judge(expected, [], {"answer": None, "status": "fail"}).score == 1.0
    assert judge(expected, [], {"answer": "no such note", "status": "fail"}).score == 1.0
    assert judge(expected, [], DONE).score == 0.0
    assert judge(expected, [new(1)], {"answer": None, "status": "fail"}).score == 0.0


def test_nothing_counts_before_completion() -> None:
    assert judge(Expected(), [], None).score == 0.0


@pytest.mark.parametrize(
    ("mode", "changes", "completed", "reward"),
    [
        ("binary", [new(1, title="a"), new(2, title="b")], DONE | {"answer": 3}, 1.0),
        ("fraction", [new(1, title="a"), new(2, title="b")], DONE | {"answer": 3}, 1.0),
        ("guarded", [new(1, title="a"), new(2, title="b")], DONE | {"answer": 3}, 1.0),
        ("binary", [new(1, title="a")], DONE | {"answer": 3}, 0.0),
        ("fraction", [new(1, title="a")], DONE | {"answer": 3}, 4 / 5),
        ("guarded", [new(1, title="a")], DONE | {"answer": 3}, 2 / 3),
        ("fraction", [], DONE, 2 / 5),
        ("guarded", [], DONE, 0.0),
        ("guarded", [new(1, title="a"), new(7)], DONE | {"answer": 3}, 0.0),
        ("guarded", [new(1, title="a")], {"answer": 3, "status": "fail"}, 0.0),
    ],
)
def test_rewards(
    mode: str, changes: list[Change], completed: dict[str, Any], reward: float
) -> None:
    wanted = (Insert("notes", {"title": "a"}), Insert("notes", {"title": "b"}))
    expected = Expected(answer=3, changes=wanted)
    verdict = judge(expected, changes, completed)
    assert REWARDS[mode](verdict, expected) == pytest.approx(reward)


@pytest.mark.parametrize(("answer", "reward"), [(None, 1.0), ("", 1.0), ("done", 0.5)])
def test_guarded_pays_not_all_for_an_answer_that_nobody_asked_for(
    answer: str | None, reward: float
) -> None:
    expected = Expected(changes=(Insert("notes", {"title": "a"}),))
    verdict = judge(expected, [new(1, title="a")], DONE | {"answer": answer})
    assert REWARDS["guarded"](verdict, expected) == reward


@pytest.mark.parametrize(("status", "reward"), [("fail", 1.0), ("success", 0.0)])
def test_guarded_pays_for_giving_up_where_that_is_right(status: str, reward: float) -> None:
    expected = Expected(status="fail")
    verdict = judge(expected, [], {"answer": None, "status": status})
    assert REWARDS["guarded"](verdict, expected) == reward
