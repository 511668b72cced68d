"""Bad habits: what they make of an oracle's cells, and that played out they mostly fail."""

from __future__ import annotations

import random
from collections.abc import Iterator

import pytest

from agentgym_envs.world.env import ApiWorld
from agentgym_envs.world.habits import HABITS, flawed_cells
from agentgym_envs.world.scenario import ALL_PAGES

LOOK = """\
found = all_pages(apis.pay.show_requests, access_token=tokens['pay'], status='pending')
ids = [row['id'] for row in found if row['name'] == 'Ada' and 'a' in row['tags']]"""
CELLS = ["log in", ALL_PAGES, LOOK, "apis.pay.approve()", "apis.supervisor.complete_task()"]


@pytest.fixture(scope="module")
def env() -> Iterator[ApiWorld]:
    made = ApiWorld(size="small", level=1, scenarios=["pay_approve_request"], variations=5)
    yield made
    made.close()


def test_habits_rewrite_the_cells() -> None:
    made = {name: habit(CELLS) for name, habit in HABITS.items()}
    done, failed = CELLS[-1], "apis.supervisor.complete_task(status='fail')"
    assert made["log_in_and_finish"] == ["log in", done]
    assert made["nothing_done"] == [*CELLS[:3], done]
    assert made["wrong_status"] == [*CELLS[:4], failed]
    skimmed = LOOK.replace(
        "all_pages(apis.pay.show_requests, ", "apis.pay.show_requests(page_limit=2, "
    )
    assert made["skim"] == ["log in", skimmed, *CELLS[3:]]
    anyone = LOOK.replace(" if row['name'] == 'Ada' and 'a' in row['tags']", "")
    assert made["any_row"] == ["log in", ALL_PAGES, anyone, *CELLS[3:]]


def test_any_row_forgets_the_arguments_where_rows_have_no_condition() -> None:
    cell = "found = all_pages(apis.pay.show, access_token=tokens['pay'], email='a@example.com')"
    bare = "found = all_pages(apis.pay.show, access_token=tokens['pay'])"
    assert HABITS["any_row"]([cell]) == [bare]


def test_wrong_status_of_a_failure_is_success() -> None:
    last = "apis.supervisor.complete_task(status='success' if open else 'fail')"
    assert HABITS["wrong_status"]([last]) == ["apis.supervisor.complete_task()"]


def test_flawed_cells_differ_and_end_by_giving_up() -> None:
    for seed in range(20):
        *cells, last = flawed_cells(CELLS, random.Random(seed))
        assert cells != CELLS
        assert last == "apis.supervisor.complete_task(status='fail')"


def test_demonstration_is_the_oracle_unless_flawed(env: ApiWorld) -> None:
    task = env.tasks.get(env.tasks.ids("train")[0])
    situation = env.tasks.situation(task.id)
    assert situation is not None
    rows = env.demonstrate(task, random.Random(0))
    said = [row["content"] for row in rows if row["role"] == "assistant"]
    assert said == [f"```python\n{cell.strip()}\n```" for cell in situation.oracle()]
    assert env.run.verdict().score == 1.0


def test_flawed_demonstrations_are_played_to_their_end_and_fail(env: ApiWorld) -> None:
    scores = []
    for number, task_id in enumerate(env.tasks.ids("train")):
        rows = env.demonstrate(env.tasks.get(task_id), random.Random(number), flawed=True)
        assert "complete_task" in [row["content"] for row in rows if row["role"] == "assistant"][-1]
        scores.append(env.run.verdict().score)
    assert scores == [0.0] * 5
