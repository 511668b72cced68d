"""What the agent's code sees: ``apis.<app>.<api>(...)``, run inside the sandbox.

The source below is the set-up of a session. It knows nothing but how to ask the host: no data, no
tokens, no task. Code may patch or replace it, and harms only itself.
"""

from __future__ import annotations

__all__ = ["SURFACE"]

SURFACE = """
def _make_apis():
    import json
    import sandbox_host

    def call(app, api, arguments):
        try:
            text = json.dumps({"app": app, "api": api, "arguments": arguments})
        except (TypeError, ValueError) as error:
            raise TypeError(f"{app}.{api}: arguments must be plain values: {error}") from None
        reply = json.loads(sandbox_host.call(text))
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


apis = _make_apis()
del _make_apis
"""
