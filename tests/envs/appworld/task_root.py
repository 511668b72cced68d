"""Build a small task root for the AppWorld package that runs this file.

    APPWORLD_ROOT=FOLDER path/of/appworld/python task_root.py

The benchmark's own data has to be downloaded; this stands in for it. One person with an account
at the note app, four scenarios of three tasks, one scenario a split. Nothing here is AppWorld's:
tables and API documentation are made by the installed package, the tasks are ours.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from textwrap import dedent
from typing import Any

from appworld.apps import get_all_apps
from appworld.apps.api_lib import set_local_dbs
from appworld.collections.api_docs import ApiDocCollection
from appworld.collections.models import ModelCollection

PERSON = {
    "first_name": "Mira",
    "last_name": "Okafor",
    "email": "mira.okafor@example.com",
    "phone_number": "5550142",
}
PASSWORD = "not-a-secret-7"
NOTES = {"Groceries": "milk, rice", "Garden": "water the tomatoes", "Books": "return two"}
NOW = "2023-05-18T12:00:00"

LOGIN = """
passwords = {p["account_name"]: p["password"] for p in apis.supervisor.show_account_passwords()}
email = apis.supervisor.show_profile()["email"]
token = apis.simple_note.login(username=email, password=passwords["simple_note"])["access_token"]
"""
COMPLETE = "apis.supervisor.complete_task(answer=answer)"
EVALUATION = """
import json


def evaluate(test, public_data, private_data, main_user, models, ground_truth_answer):
    with test("assert answers match."):
        given = json.loads(models.end.supervisor.Task.all()[0].answer)
        test.answer(given, ground_truth_answer)
    with test("assert only the allowed tables changed."):
        test.case(models.changed_model_names() - set(private_data.changed), "==", set())
    with test("assert the note is as asked."):
        found = models.end.simple_note.Note.find_all(title=private_data.title)
        test.case([note.content for note in found], "==", private_data.contents)
"""


def tasks() -> dict[str, list[dict[str, Any]]]:
    """Return the three tasks of each split's scenario."""
    titles = list(NOTES)
    return {
        "train": [
            {
                "instruction": f"Make a note titled '{word}' that says 'buy {word}'.",
                "code": f"apis.simple_note.create_note(title={word!r}, content={'buy ' + word!r},"
                " access_token=token)\nanswer = None",
                "title": word,
                "contents": [f"buy {word}"],
                "changed": ["simple_note.Note"],
                "difficulty": 1,
            }
            for word in ("pears", "plums", "peas")
        ],
        "dev": [
            {
                "instruction": f"What does my note '{title}' say?",
                "code": f"found = apis.simple_note.search_notes(query={title!r},"
                " access_token=token)\nid_ = next(n['note_id'] for n in found"
                f" if n['title'] == {title!r})\nanswer = apis.simple_note.show_note("
                "note_id=id_, access_token=token)['content']",
                "answer": NOTES[title],
                "title": title,
                "contents": [NOTES[title]],
                "difficulty": 2,
            }
            for title in titles
        ],
        "test_normal": [
            {
                "instruction": f"Delete my note '{title}'.",
                "code": f"found = apis.simple_note.search_notes(query={title!r},"
                " access_token=token)\nid_ = next(n['note_id'] for n in found"
                f" if n['title'] == {title!r})\napis.simple_note.delete_note("
                "note_id=id_, access_token=token)\nanswer = None",
                "title": title,
                "contents": [],
                "changed": ["simple_note.Note"],
                "difficulty": 2,
            }
            for title in titles
        ],
        "test_challenge": [
            {
                "instruction": f"How many of my notes have a title of {length} letters?",
                "code": "found = apis.simple_note.search_notes(access_token=token)\n"
                f"answer = sum(len(n['title']) == {length} for n in found)",
                "answer": sum(len(title) == length for title in titles),
                "title": titles[0],
                "contents": [NOTES[titles[0]]],
                "difficulty": 3,
            }
            for length in (5, 6, 9)
        ],
    }


def make_base(data: Path) -> None:
    """Make the databases and the documentation that all tasks share."""
    base = data / "base_dbs"
    base.mkdir(parents=True)
    set_local_dbs(to_db_home_path=str(base), create=True)
    models = ModelCollection.load(to_db_home_path=str(base), load_apps=get_all_apps())
    models.admin.MainUser(**PERSON, birthday="1990-02-03", sex="female").save()
    account = models.simple_note.User(
        **{key: PERSON[key] for key in ("first_name", "last_name", "email")},
        password=PASSWORD,
        verified=True,
    )
    account.save()
    for title, content in NOTES.items():
        models.simple_note.Note(user_id=account.id, title=title, content=content).save()
    docs = ApiDocCollection.build()
    folder = data / "api_docs" / "standard"
    folder.mkdir(parents=True)
    rows = []
    for app, by_name in docs.items():
        plain = {name: {**doc, "canary_string": ""} for name, doc in by_name.items()}
        (folder / f"{app}.json").write_text(json.dumps(plain))
        rows += [
            models.api_docs.ApiDoc(
                **{"app_name_" if key == "app_name" else key: doc[key] for key in doc}
            )
            for name, doc in by_name.items()
            if app != "admin"
        ]
    models.api_docs.ApiDoc.save_all(rows)
    models.close()


def make_task(data: Path, task_id: str, task: dict[str, Any]) -> None:
    """Make the folder of one task: its specification, its databases, its ground truth."""
    folder = data / "tasks" / task_id
    truth = folder / "ground_truth"
    truth.mkdir(parents=True)
    specs = {**{"instruction": task["instruction"], "supervisor": PERSON}, "datetime": NOW}
    (folder / "specs.json").write_text(json.dumps({**specs, "db_version": "0.1.0"}))
    models = ModelCollection.load(
        to_db_home_path=f":memory:task_input-{task_id}",
        from_db_home_path=str(data / "base_dbs"),
        load_apps=get_all_apps(),
    )
    person = models.supervisor.Supervisor(**PERSON, birthday="1990-02-03", sex="female")
    person.save()
    models.supervisor.AccountPassword(
        supervisor_id=person.id, account_name="simple_note", password=PASSWORD
    ).save()
    models.supervisor.Task(supervisor_id=person.id, instruction=task["instruction"]).save()
    models.save(str(folder / "dbs"), format="changes", save_model_hashes=True)
    models.close()
    private = {
        "changed": [],
        **{key: task[key] for key in task if key in ("title", "contents", "changed")},
    }
    code = dedent(LOGIN) + task["code"] + "\n" + COMPLETE
    body = "\n".join(f"    {line}".rstrip() for line in code.strip().splitlines())
    requirements = [line.split('"')[1] for line in EVALUATION.splitlines() if "with test(" in line]
    # What an agent that does nothing fails: to say that it is done, and the deed if there is one.
    failing = requirements[:1] if "answer" in task else requirements[::2]
    tests = [
        {"requirement": each, "label": "no_op_fail" if each in failing else "no_op_pass"}
        for each in requirements
    ]
    files = {
        "metadata.json": {
            "mode": "full",
            "difficulty": task["difficulty"],
            "num_apps": 1,
            "num_apis": 1,
            "num_api_calls": 5,
            "num_solution_code_lines": 5,
        },
        "required_apps.json": ["simple_note"],
        "public_data.json": {},
        "private_data.json": private,
        "answer.json": task.get("answer"),
        "test_data.json": tests,
        "api_calls.json": [],
    }
    for name, value in files.items():
        (truth / name).write_text(json.dumps(value))
    (truth / "evaluation.py").write_text(EVALUATION)
    (truth / "compiled_solution.py").write_text(f"def solution(apis, requester):\n{body}\n")
    (truth / "solution.py").write_text("def solution():\n    pass\n")


def main() -> None:
    """Build everything under ``$APPWORLD_ROOT``."""
    data = Path(os.environ["APPWORLD_ROOT"]) / "data"
    make_base(data)
    (data / "datasets").mkdir()
    for number, (split, three) in enumerate(tasks().items()):
        ids = [f"{number:07x}_{place}" for place in (1, 2, 3)]
        (data / "datasets" / f"{split}.txt").write_text("\n".join(ids))
        for task_id, task in zip(ids, three, strict=True):
            make_task(data, task_id, task)


if __name__ == "__main__":
    sys.exit(main())
