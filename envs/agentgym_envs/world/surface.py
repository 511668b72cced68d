"""What the agent's code sees: ``apis.<app>.<api>(...)``, run inside the sandbox.

The source below is the set-up of a session. It knows nothing but how to ask the host: no data, no
tokens, no task. Code may patch or replace it, and harms only itself. The same source runs in the
host for oracles, which are our own code.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

__all__ = ["SURFACE", "host_apis"]

_SOURCE = """
def _make_apis(ask):
    import json

    def call(app, api, arguments):
        try:
            text = json.dumps({"app": app, "api": api, "arguments": arguments})
        except (TypeError, ValueError, RecursionError) as error:
            raise TypeError(f"{app}.{api}: arguments must be plain values: {error}") from None
        reply = json.loads(ask(text))
        if "status" in reply:
            message = json.dumps({"message": reply["message"]})
            raise Exception(f"Response status code is {reply['status']}:\\n{message}")
        return reply["result"]

    class Api:
        def __init__(self, app, name):
            self._app, self._name = app, name

        def __call__(self, *args, **kwargs):
            if args:
                raise TypeError(
                    f"apis.{self._app}.{self._name} takes keyword arguments only; see "
                    f"apis.api_docs.show_api_doc(app_name='{self._app}', api_name='{self._name}')"
                )
            return call(self._app, self._name, kwargs)

        def __repr__(self):
            return f"<API {self._app}.{self._name}>"

    class App:
        def __init__(self, name):
            self._name = name

        def __getattr__(self, name):
            if name.startswith("_"):
                raise AttributeError(name)
            return Api(self._name, name)

        def __repr__(self):
            return f"<app {self._name}>"

    class Apis:
        def __getattr__(self, name):
            if name.startswith("_"):
                raise AttributeError(name)
            return App(name)

        def __repr__(self):
            return "<apis>"

    return Apis()
"""

SURFACE = f"""
{_SOURCE}

def _start():
    import sandbox_host

    # Code that has run a few times is specialised: here once, not anew in every session.
    for _ in range(20):
        _make_apis(lambda text: '{{"result": []}}').app.api(name="value")
    return _make_apis(sandbox_host.call)


apis = _start()
del _make_apis, _start
"""


def host_apis(ask: Callable[[str], str]) -> Any:
    """Return the same ``apis`` for code of ours in this process.

    Args:
        ask: Sends a call and returns the reply, as `Service.answer` does.
    """
    space: dict[str, Any] = {}
    exec(_SOURCE, space)
    return space["_make_apis"](ask)
