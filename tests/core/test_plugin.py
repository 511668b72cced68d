"""The third-party package of examples/plugin, installed and used; and the example of the README."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parents[2] / "examples"


def execute(command, **environment):
    return subprocess.run(
        command,
        check=False,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=120,
    )


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """A folder with the plug-in installed in it."""
    work = tmp_path_factory.mktemp("plugin")
    source = shutil.copytree(EXAMPLES / "plugin", work / "source")  # building writes beside it
    target = work / "site"
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    options = ["--no-deps", "--no-build-isolation", "--no-index", "--target", str(target)]
    run = execute([*command, *options, str(source)])
    assert run.returncode == 0, run.stderr
    return target


def python(site, code):
    run = execute([sys.executable, "-c", code], PYTHONPATH=str(site))
    assert run.returncode == 0, run.stderr
    return run.stdout.strip()


def test_plugin_is_found_and_sound(site):
    code = """
from agentgym.check import check
report = check("riddles/Riddles-v0")
print([row for row in report.rows if not row.ok])
"""
    assert python(site, code) == "[]"


def test_plugin_plays(site):
    code = """
import agentgym as ag
env = ag.make("riddles/Riddles-v0", split="test")
env.reset(seed=0, options={"task_id": "test-0"})
print(env.step("Piano!")[1:4])
"""
    assert python(site, code) == "(1.0, True, False)"


def test_plugin_is_listed_with_its_source(site):
    code = """
import agentgym as ag
print(*(row for row in ag.list_envs() if row.id.startswith("riddles/")))
"""
    assert python(site, code) == (
        "EnvRow(id='riddles/Riddles-v0', description='one riddle, one answer', "
        "source='agentgym_riddles', error='')"
    )


def test_plugin_brings_a_suite(site):
    code = """
from agentgym.evaluate.suites import suite
print(suite("riddles").description, suite("riddles").entries[0].rollouts)
"""
    assert python(site, code) == "every held-out riddle, four times 4"


def test_plugin_is_not_loaded_for_other_namespaces(site):
    code = """
import sys
import agentgym as ag
ag.make("agentgym/Math-v0")
print("agentgym_riddles" in sys.modules)
"""
    assert python(site, code) == "False"


def test_broken_plugin_leaves_the_rest_alone(site, tmp_path):
    broken = shutil.copytree(site, tmp_path / "site")
    (broken / "agentgym_riddles" / "__init__.py").write_text("import no_such_library")
    code = """
import warnings
warnings.simplefilter("ignore")
import agentgym as ag
print([(row.id, row.error) for row in ag.list_envs() if row.error])
print(ag.make("agentgym/Math-v0").spec.id)
"""
    assert python(broken, code).splitlines() == [
        "[('riddles/*', \"ModuleNotFoundError: No module named 'no_such_library'\")]",
        "agentgym/Math-v0",
    ]


def test_register_env_example_runs():
    script = EXAMPLES / "register_env.py"
    assert len(script.read_text().splitlines()) <= 120
    run = execute([sys.executable, str(script)])
    assert run.returncode == 0, run.stdout + run.stderr
    assert "reward 1.0" in run.stdout
    assert "BAD" not in run.stdout
