"""Packages below /tmp: sessions mount their own /tmp over them, and still see them."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

SCRIPT = """
from agentgym_sandbox import LocalSandbox
with LocalSandbox(preload=("planted",), warm=0) as sandbox, sandbox.session() as session:
    print(session.execute("import planted; planted.VALUE").result)
    print(session.execute("open('mine.txt', 'w').write('x'); import os; os.listdir('.')").result)
"""


def test_packages_below_tmp_are_visible_and_the_work_folder_is_not_theirs() -> None:
    with tempfile.TemporaryDirectory(dir="/tmp") as folder:
        venv = Path(folder) / "venv"
        subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(venv)], check=True)
        (packages,) = venv.glob("lib/python*/site-packages")
        (packages / "planted.py").write_text("VALUE = 42")
        sources = Path(__file__).parents[2] / "sandbox"
        (packages / "sources.pth").write_text(f"{sources}\n")
        done = subprocess.run(
            [str(venv / "bin" / "python"), "-c", SCRIPT],
            capture_output=True,
            text=True,
            check=False,
        )
    assert done.stdout.split("\n")[:2] == ["42", "['mine.txt']"], done.stderr
