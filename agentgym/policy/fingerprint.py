"""A cheap fingerprint of a model folder: it changes when the weights, or how they are read, do."""

from __future__ import annotations

import hashlib
from pathlib import Path

__all__ = ["fingerprint"]

_WHOLE = 1 << 20  # bytes up to which a file is read whole
_PARTS, _PART = 64, 4096  # of a greater one: so many pieces of so many bytes
_READ = (".safetensors", ".bin", ".json", ".jinja", ".model", ".txt")


def fingerprint(folder: Path) -> str:
    """Return 16 hexadecimal digits of a model's files.

    Of a great file its length and 64 pieces, evenly spread, are read: training changes nearly every
    weight, so that a step is noticed, and a hundred gigabytes take a moment.

    Raises:
        OSError: If a file cannot be read.
    """
    digest = hashlib.sha256()
    for path in sorted(folder.iterdir()):
        if path.is_file() and path.suffix in _READ:
            size = path.stat().st_size
            digest.update(f"{path.name}\0{size}\0".encode("utf-8", "surrogateescape"))
            _add(digest, path, size)
    return digest.hexdigest()[:16]


def _add(digest: hashlib._Hash, path: Path, size: int) -> None:
    with path.open("rb") as file:
        if size <= _WHOLE:
            digest.update(file.read())
            return
        for number in range(_PARTS):
            file.seek((size - _PART) * number // (_PARTS - 1))
            digest.update(file.read(_PART))
