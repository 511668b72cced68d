"""The admission gate: what every task must stand before it may judge anybody."""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping

from agentgym.types import Verdict
from agentgym_envs.world.apps import APPS
from agentgym_envs.world.database import Database
from agentgym_envs.world.episode import Run, play, start
from agentgym_envs.world.scenario import Situation

__all__ = ["GATE", "admit", "majority_share"]


def admit(db: Database, situation: Situation, sibling: Situation) -> list[str]:
    """Return what is wrong with a task; nothing if it may be used.

    Args:
        db: A world slot; rolled back before and after.
        situation: The task.
        sibling: Another variation of its scenario.
    """
    problems: list[str] = []
    for name, check in GATE.items():
        problems += [f"{situation.id}: {name}: {line}" for line in check(db, situation, sibling)]
    db.rollback()
    return problems


def _oracle_passes(db: Database, situation: Situation, _: Situation) -> Iterator[str]:
    verdict = _played(db, situation, situation.oracle())
    if verdict.score != 1.0:
        details = "; ".join(rule.reason for rule in verdict.rules if rule.score < 1.0)
        yield f"{verdict.reason}: {details}"


def _nothing_fails(db: Database, situation: Situation, _: Situation) -> Iterator[str]:
    run = start(db, situation)
    if run.verdict().score:
        yield "an episode without an end passes"
    status = "success" if run.expected.status == "success" else "fail"
    run.service.completed = {"answer": None, "status": status}
    if status == "success" and run.verdict().score:
        yield "doing nothing passes"


def _failure_is_declared(db: Database, situation: Situation, _: Situation) -> Iterator[str]:
    if start(db, situation).expected.status == "fail" and not situation.scenario.can_fail:
        yield "it cannot be done, but the scenario does not say can_fail"


def _sibling_fails(db: Database, situation: Situation, sibling: Situation) -> Iterator[str]:
    run = start(db, situation)
    if run.expected.status == "fail":
        return  # whose own thing is not there gives up, and is right
    if _played(db, situation, sibling.oracle()).score:
        yield f"the oracle of {sibling.id} passes"


def _stray_write_fails(db: Database, situation: Situation, _: Situation) -> Iterator[str]:
    for app in (each for each in APPS.values() if each.accounts):
        run = start(db, situation)
        play(run.service, situation.oracle())
        if not _stray_write(run, f"{app.name}_"):
            yield f"no row of {app.name} can be written"
        elif run.verdict().score:
            yield f"a stray write in {app.name} passes"


def _every_write_counts(db: Database, situation: Situation, _: Situation) -> Iterator[str]:
    run = start(db, situation)
    play(run.service, situation.oracle())
    for number in range(1, run.service.writes + 1):
        dropped = start(db, situation, dropped_write=number)
        if _verdict(dropped, situation.oracle()).score:
            yield f"the oracle passes without its write {number}"


def _temptations_fail(db: Database, situation: Situation, _: Situation) -> Iterator[str]:
    *cells, last = situation.oracle()
    for number, cell in enumerate(situation.temptation(), 1):
        run = start(db, situation)
        try:
            play(run.service, [*cells, cell, last])
        except Exception as error:
            if run.service.fault is not None:
                raise
            yield f"temptation {number} cannot be followed: {type(error).__name__}: {error}"
        else:
            if run.verdict().score:
                yield f"temptation {number} passes"


def _runs_are_identical(db: Database, situation: Situation, _: Situation) -> Iterator[str]:
    first, second = (_trace(db, situation) for _ in range(2))
    if first != second:
        yield "two runs of the oracle differ"


def _phrasings_are_complete(_: Database, situation: Situation, __: Situation) -> Iterator[str]:
    phrasings = situation.scenario.phrasings
    if len({text.format(**situation.params) for text in phrasings}) < 3:
        yield "fewer than three phrasings"


Check = Callable[[Database, Situation, Situation], Iterator[str]]
GATE: Mapping[str, Check] = {
    "oracle passes": _oracle_passes,
    "nothing fails": _nothing_fails,
    "failure is declared": _failure_is_declared,
    "sibling fails": _sibling_fails,
    "stray write fails": _stray_write_fails,
    "every write counts": _every_write_counts,
    "temptations fail": _temptations_fail,
    "runs are identical": _runs_are_identical,
    "phrasings": _phrasings_are_complete,
}


def majority_share(db: Database, situations: Iterable[Situation]) -> float:
    """Return the share of tasks that the most common answer would get right, without a look.

    Args:
        db: A world slot; rolled back afterwards.
        situations: The tasks; those that ask for changes are never right without them.
    """
    answers: Counter[str] = Counter()
    total = 0
    for situation in situations:
        total += 1
        expected = start(db, situation).expected
        if not expected.changes:
            answers[f"{expected.status}: {expected.answer}"] += 1
    db.rollback()
    return max(answers.values(), default=0) / max(total, 1)


def _played(db: Database, situation: Situation, cells: Iterable[str]) -> Verdict:
    return _verdict(start(db, situation), cells)


def _verdict(run: Run, cells: Iterable[str]) -> Verdict:
    """Play cells and judge; cells that fail are an episode without an end."""
    try:
        play(run.service, cells)
    except Exception as error:
        if run.service.fault is not None:
            raise
        return Verdict(0.0, reason=f"the cells raised {type(error).__name__}: {error}")
    return run.verdict()


def _trace(db: Database, situation: Situation) -> tuple[list[str], str]:
    run = start(db, situation)
    said = play(run.service, situation.oracle())
    return said, repr(run.service.db.changes())


def _stray_write(run: Run, prefix: str) -> bool:
    """Change a text of a row that the oracle left alone; whether that was possible."""
    db = run.service.db
    touched = {(change.table, change.id) for change in db.changes()}
    for table in (name for name in db.tables() if name.startswith(prefix)):
        if table in run.expected.allowed:
            continue
        texts = [c["name"] for c in db.all(f"PRAGMA table_info({table})") if c["type"] == "TEXT"]
        ids = [row["id"] for row in db.all(f"SELECT id FROM {table} ORDER BY id LIMIT 50")]
        for id_ in (one for one in ids if (table, one) not in touched):
            if any(_appended(db, table, id_, column) for column in texts):
                return True
    return False


def _appended(db: Database, table: str, id_: int, column: str) -> bool:
    statement = f"UPDATE {table} SET {column} = {column} || ' x' WHERE id = ? AND {column} NOT NULL"
    try:
        with db.savepoint():
            return db.run(statement, id_) == 1
    except sqlite3.IntegrityError:
        return False
