"""Write the stand-in wheels of ``requirements/absent``: a dist-info and nothing else.

The CPU build of vLLM asks for four packages whose only builds on the package index are for CUDA
and break transformers' imports beside a CPU torch. pip has no way to leave out a dependency, so
each is satisfied by a wheel that holds metadata and no module.

    python requirements/make_absent.py
"""

from __future__ import annotations

import hashlib
import zipfile
from base64 import urlsafe_b64encode
from pathlib import Path

ABSENT = {
    "torchvision": "0.0.0+absent",
    "torchaudio": "0.0.0+absent",
    "triton": "0.0.0+absent",
    "torchcodec": "0.99.0+absent",
}
FOLDER = Path(__file__).parent / "absent"
EPOCH = (1980, 1, 1, 0, 0, 0)  # a fixed date: the same script writes the same bytes


def record_line(name: str, data: bytes) -> str:
    """Return the RECORD row of one file (PEP 376)."""
    digest = urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()
    return f"{name},sha256={digest},{len(data)}\n"


def write_wheel(folder: Path, name: str, version: str) -> Path:
    """Write one wheel with a dist-info folder and no module; return its path."""
    info = f"{name}-{version}.dist-info"
    files = {
        f"{info}/METADATA": (
            f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"
            "Summary: Stand-in without any module: this package is left out on purpose.\n"
        ),
        f"{info}/WHEEL": (
            "Wheel-Version: 1.0\nGenerator: agentgym\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        ),
    }
    record = "".join(record_line(path, text.encode()) for path, text in files.items())
    files[f"{info}/RECORD"] = f"{record}{info}/RECORD,,\n"
    path = folder / f"{name}-{version}-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as wheel:
        for member, text in files.items():
            wheel.writestr(zipfile.ZipInfo(member, EPOCH), text)
    return path


if __name__ == "__main__":
    FOLDER.mkdir(exist_ok=True)
    for package, release in ABSENT.items():
        print(write_wheel(FOLDER, package, release))  # noqa: T201
