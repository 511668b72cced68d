"""Without the extras: environments, evaluation and the command line, and a clear word on the rest.

What `pip install agentgym-rl` alone leaves out is hidden from these processes by an import hook.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

EXTRAS = (
    *("torch", "transformers", "tokenizers", "safetensors", "vllm", "docker", "tensorboard"),
    *("scipy", "hypothesis", "sympy"),
)
HIDE = f"""
import sys

class Hidden:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {EXTRAS!r}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)

sys.meta_path.insert(0, Hidden())
"""


def python(code: str, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", HIDE + code],
        check=False,
        capture_output=True,
        text=True,
        timeout=120,
        cwd=cwd,
    )


def agentgym(*words: str, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    return python(f"from agentgym.cli import main\nsys.exit(main({list(words)!r}))", cwd)


def test_hook_hides_what_it_says() -> None:
    done = python("import torch")
    assert done.returncode == 1
    assert "No module named 'torch'" in done.stderr


@pytest.mark.parametrize("id", ["agentgym/PythonMath-v0", "agentgym/Math-v0"])
def test_environments_play_without_the_extras(id: str) -> None:
    code = f"""
import agentgym as ag
env = ag.make({id!r}, split="test")
env.reset(seed=0)
for action in env.oracle():
    _, reward, *_ = env.step(action)
env.close()
print(reward)
"""
    done = python(code)
    assert done.stdout.strip() == "1.0", done.stderr


def test_eval_runs_without_the_extras() -> None:
    done = agentgym("eval", "agentgym/PythonMath-v0", "-p", "oracle", "-n", "3", "--json")
    assert done.returncode == 0, done.stderr
    summary = json.loads(done.stdout)
    assert (summary["mean"], summary["tasks"], summary["errors"]) == (1.0, 3, 0)


def test_envs_lists_without_the_extras() -> None:
    done = agentgym("envs", "--json")
    assert done.returncode == 0, done.stderr
    rows = {row["id"]: row["error"] for row in json.loads(done.stdout)}
    assert rows["agentgym/Math-v0"] == rows["agentgym/PythonMath-v0"] == ""


def test_check_passes_without_the_extras() -> None:
    done = agentgym("check", "agentgym/Math-v0", "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["ok"]


@pytest.mark.parametrize("verb", ["train", "sft"])
def test_training_without_its_extra_names_it_in_one_line(
    verb: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AGENTGYM_CACHE", str(tmp_path))  # a starter of before needs nothing
    done = agentgym(verb, cwd=tmp_path)
    assert done.returncode == 2
    errors = [line for line in done.stderr.splitlines() if line.startswith("agentgym: error:")]
    assert len(errors) == 1
    assert "pip install 'agentgym-rl[train]'" in errors[0]
    assert "Traceback" not in done.stderr
