from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from agentgym_envs.python.interpreter import Interpreter
from agentgym_envs.world.surface import SURFACE, host_apis
from agentgym_sandbox import ExecResult, Limits

ASKED: list[str] = []


def handler(text: str) -> str:
    ASKED.append(text)
    api = json.loads(text)["api"]
    if api == "refuse":
        return json.dumps({"status": 409, "message": 'a "quoted" é'})
    return json.dumps({"result": [api, None, 1.5]}, ensure_ascii=False)


@pytest.fixture
def python() -> Iterator[Interpreter]:
    made = Interpreter(Limits(), 5.0, setup=SURFACE, handler=handler)
    ASKED.clear()
    yield made
    made.close()


def ran(python: Interpreter, code: str) -> ExecResult:
    result = python.execute(code)
    assert result is not None
    return result


def test_call_goes_to_the_host_and_comes_back(python: Interpreter) -> None:
    assert ran(python, "apis.mail.show(a=1, b=['ü', None])").result == "['show', None, 1.5]"
    assert json.loads(ASKED[0]) == {
        "app": "mail",
        "api": "show",
        "arguments": {"a": 1, "b": ["ü", None]},
    }


def test_refusal_is_an_exception_in_appworlds_words(python: Interpreter) -> None:
    code = "try:\n    apis.mail.refuse()\nexcept Exception as e:\n    print(e)"
    assert ran(python, code).stdout == (
        'Response status code is 409:\n{"message": "a \\"quoted\\" \\u00e9"}\n'
    )


@pytest.mark.parametrize(
    ("code", "error"),
    [
        ("apis.mail.show(1)", "TypeError: apis.mail.show takes keyword arguments only"),
        ("apis.mail.show(a={1})", "TypeError: mail.show: arguments must be plain values"),
        ("apis.mail.show(a=object())", "TypeError: mail.show: arguments must be plain values"),
        ("a = []\na.append(a)\napis.mail.show(a=a)", "TypeError: mail.show: arguments must be"),
        ("apis.mail.show(a='x' * 10**7)", "ValueError"),
    ],
)
def test_arguments_that_cannot_be_sent_are_refused(
    python: Interpreter, code: str, error: str
) -> None:
    assert error in (ran(python, code).exception or "")
    assert ASKED == []


def test_objects_show_what_they_are(python: Interpreter) -> None:
    code = "print(apis, apis.mail, apis.mail.show, hasattr(apis, '__len__'))"
    assert ran(python, code).stdout == "<apis> <app mail> <API mail.show> False\n"


def test_session_starts_with_nothing_but_apis(python: Interpreter) -> None:
    code = "print([name for name in globals() if not name.startswith('__')])"
    assert ran(python, code).stdout == "['apis']\n"


def test_apis_are_there_again_after_a_loss(python: Interpreter) -> None:
    assert not ran(python, "import os\nos._exit(1)").session_alive
    assert ran(python, "apis.mail.show()").status == "ok"


def test_host_apis_are_the_same() -> None:
    apis = host_apis(handler)
    assert apis.mail.show() == ["show", None, 1.5]
    with pytest.raises(Exception, match="Response status code is 409"):
        apis.mail.refuse()
    with pytest.raises(TypeError, match="keyword arguments only"):
        apis.mail.show(1)
