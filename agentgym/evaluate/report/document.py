"""The file itself: data, script and style, under a policy that lets nothing else run or load.

What a model or a data set said is only ever data here. The overview is JSON in an element that no
browser runs, every ``<`` in it escaped; the rest is compressed JSON in base64, whose alphabet has
none. The page's own script and style are let in by their hashes, and by nothing else.
"""

from __future__ import annotations

import base64
import gzip
import hashlib
import json
import math
import re
from collections.abc import Mapping
from html import escape
from importlib.resources import files
from typing import Any

__all__ = ["document", "pack"]

_SCRIPTS = (
    *("dom", "store", "query", "chart", "figures", "overview", "list", "tasks"),
    *("episode", "verdict", "samples", "tokens", "group", "main"),
)
_POLICY = (
    "default-src 'none'; script-src '{script}'; style-src '{style}'; base-uri 'none'; "
    "form-action 'none'; require-trusted-types-for 'script'; trusted-types 'none'"
)


def pack(value: Any) -> str:
    """Return a value as compressed JSON in base64; the same value always gives the same text."""
    return base64.b64encode(gzip.compress(_json(value).encode("ascii"), 6, mtime=0)).decode("ascii")


def document(title: str, overview: Mapping[str, Any], packs: Mapping[str, str]) -> str:
    """Return the page.

    Args:
        title: Of the window.
        overview: What is shown first.
        packs: Name to what `pack` returned: what is read when it is asked for.
    """
    script = "\n".join(_static(f"{name}.js") for name in _SCRIPTS)
    script = f'"use strict";\n(() => {{\n{script}\n}})();'
    style = _static("report.css")
    policy = _POLICY.format(script=_hash(script), style=_hash(style))
    data = _json(overview).replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")
    parts = {
        "policy": escape(policy),
        "title": escape(title.encode("utf-8", "replace").decode("utf-8")),
        "style": style,
        "script": script,
        "overview": data,
        "packs": "\n".join(
            f'<script type="text/plain" id="pack-{name}">{text}</script>'
            for name, text in packs.items()
        ),
    }
    return re.sub("<!--([a-z]+)-->", lambda mark: parts[mark[1]], _static("report.html"))


def _static(name: str) -> str:
    return files("agentgym.evaluate.report").joinpath("static", name).read_text("utf-8")


def _hash(text: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode("ascii")


def _json(value: Any) -> str:
    """Return compact JSON in ASCII; numbers that are not finite become null."""
    try:
        return json.dumps(value, separators=(",", ":"), allow_nan=False)
    except ValueError:
        return json.dumps(_finite(value), separators=(",", ":"), allow_nan=False)


def _finite(value: Any) -> Any:
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {key: _finite(item) for key, item in value.items()}
    return [_finite(item) for item in value] if isinstance(value, list | tuple) else value
