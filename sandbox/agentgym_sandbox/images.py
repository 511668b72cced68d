"""Images for `DockerSandbox` without a registry: a tree put together here, then `docker import`.

Either the running interpreter with the libraries that it is linked to, or Debian's Python from
packages that `apt-get` downloads. Both hold a shell and a few small programs, and nothing of this
machine's settings.
"""

from __future__ import annotations

import contextlib
import importlib.util
import io
import os
import re
import shutil
import subprocess
import sys
import sysconfig
import tarfile
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path

from agentgym_sandbox import root
from agentgym_sandbox.base import SandboxError
from agentgym_sandbox.docker import IMAGE
from agentgym_sandbox.engine import Engine, EngineError

__all__ = ["DEBIAN_PACKAGES", "build_image"]

DEBIAN_PACKAGES = (
    "busybox-static", "libbz2-1.0", "libc6", "libcrypt1", "libdb5.3", "libexpat1", "libffi8",
    "libgcc-s1", "liblzma5", "libncursesw6", "libpython3.11-minimal", "libpython3.11-stdlib",
    "libreadline8", "libsqlite3-0", "libssl3", "libtinfo6", "libuuid1", "media-types",
    "python3-minimal", "python3.11-minimal", "tzdata", "zlib1g",
)  # fmt: skip
PROGRAMS = ("sh", "cat", "echo", "env", "false", "ls", "sleep", "true")
FOLDERS = ("bin", "lib", "lib64", "sbin")
SKIPPED = {"__pycache__", "site-packages", "dist-packages", "test", "tests", "idlelib", "ensurepip"}
PACKAGES = Path("/usr/local/packages")


def build_image(
    name: str = IMAGE,
    *,
    source: str = "interpreter",
    packages: Iterable[str] = (),
    address: str | None = None,
) -> str:
    """Make an image on the engine and give its id; an older one of the name loses it.

    Args:
        name: As ``repository:tag``.
        source: ``"interpreter"`` takes the running one; ``"debian"`` takes Debian 12's packages.
        packages: With ``"interpreter"`` top-level modules to take along, as ``"numpy"``; with
            ``"debian"`` further Debian packages, their dependencies named too.
        address: The engine, by default ``DOCKER_HOST`` or the usual socket.

    Raises:
        SandboxError: If something needed is missing, or the engine refuses.
    """
    makers = {"interpreter": _take_interpreter, "debian": _take_debian}
    if source not in makers:
        raise ValueError(f"source is {source!r}; it can be {' or '.join(map(repr, makers))}")
    repository, _, tag = name.partition(":")
    with tempfile.TemporaryDirectory(prefix="agentgym-image-") as folder:
        tree = Path(folder) / "tree"
        tree.mkdir(mode=0o755)
        makers[source](tree, tuple(packages))
        _write_accounts(tree)
        archive = Path(folder) / "tree.tar"
        _pack(tree, archive)
        with contextlib.closing(Engine(address)) as engine:
            return _import(engine, repository, tag or "latest", archive)


def _import(engine: Engine, repository: str, tag: str, archive: Path) -> str:
    """Give the tree to the engine, and let go of the image that had the name before."""
    former = engine.image_id(f"{repository}:{tag}")
    answer = engine.import_image(str(archive), repository, tag, f"ENV PYTHONPATH={PACKAGES}")
    found = re.search(r"sha256:[0-9a-f]{64}", answer)
    if not found:
        raise SandboxError(f"the engine did not import the image: {answer!r}")
    if former and former != found.group():
        with contextlib.suppress(EngineError):  # in use: it goes when its users do
            engine.remove_image(former)
    return found.group()


def _take_interpreter(tree: Path, packages: tuple[str, ...]) -> None:
    """Copy the running Python, the modules named, some programs, and what they are linked to."""
    _link_merged(tree)
    binary = Path(os.path.realpath(sys.executable))
    stdlib = Path(sysconfig.get_path("stdlib", vars={"base": sys.base_prefix}))
    stdlib = Path(os.path.realpath(stdlib))
    wanted = [binary, *_programs()]
    _copy_tree(stdlib, tree, SKIPPED)
    wanted += [Path(path) for path in stdlib.rglob("*.so*") if _is_kept(path, stdlib)]
    bundled = [path for package in packages for path in _files_of(package)]
    for path in bundled:
        _copy_tree(path, tree, {"__pycache__"}, PACKAGES / path.name)
    theirs = [file for path in bundled for file in (path, *path.rglob("*")) if ".so" in file.name]
    homes = {path.parent for path in bundled}
    for path in {*wanted, *_linked([*wanted, *theirs])}:
        if not homes.intersection(path.parents):  # those are in PACKAGES already
            _copy_file(path, tree)
    for name in ("python3", "python"):
        link = tree / "usr/bin" / name
        if not link.exists():
            link.symlink_to(binary)


def _take_debian(tree: Path, packages: tuple[str, ...]) -> None:
    """Unpack Debian packages; nothing of theirs is run."""
    for tool in ("apt-get", "dpkg-deb"):
        if not shutil.which(tool):
            raise SandboxError(f"no {tool} here; use source='interpreter'")
    _link_merged(tree)
    with tempfile.TemporaryDirectory(prefix="agentgym-packages-") as folder:
        names = [*DEBIAN_PACKAGES, *packages]
        _run(["apt-get", "download", "-q", *names], folder)
        for package in sorted(Path(folder).glob("*.deb")):
            _run(["dpkg-deb", "--fsys-tarfile", package.name], folder, into=tree)
    (tree / "usr/bin/python3").unlink(missing_ok=True)
    (tree / "usr/bin/python3").symlink_to("python3.11")
    for name in PROGRAMS:
        target = tree / "usr/bin" / name
        if not target.exists():
            target.symlink_to("/usr/bin/busybox")


def _run(command: list[str], folder: str, into: Path | None = None) -> None:
    """Run a program; its output, a tar archive, is unpacked into a folder."""
    done = subprocess.run(command, cwd=folder, capture_output=True, check=False)
    if done.returncode:
        said = done.stderr.decode("utf-8", "replace").strip()[-500:]
        raise SandboxError(f"{' '.join(command[:2])} failed: {said}; run apt-get update first")
    if into is not None:
        with tarfile.open(fileobj=io.BytesIO(done.stdout)) as archive:
            archive.extractall(into, members=map(_merged, archive), filter="tar")


def _merged(member: tarfile.TarInfo) -> tarfile.TarInfo:
    """Put what a package has in /bin or /lib below /usr, where the links point."""
    name = os.path.normpath(member.name)
    if name.split("/")[0] in FOLDERS:
        name = f"usr/{name}"
    return member.replace(name=name, deep=False)


def _link_merged(tree: Path) -> None:
    """Make the links of a merged /usr before any file, so that every path has one place."""
    (tree / "usr").mkdir(mode=0o755)
    for name in FOLDERS:
        (tree / "usr" / name).mkdir(mode=0o755)
        (tree / name).symlink_to(f"usr/{name}")
    for name in ("tmp", "dev", "proc", "sys", "etc"):
        (tree / name).mkdir(mode=0o755)


def _write_accounts(tree: Path) -> None:
    (tree / "etc").mkdir(exist_ok=True)
    (tree / "etc/passwd").write_text(root.PASSWD, encoding="utf-8")
    (tree / "etc/group").write_text(root.GROUP, encoding="utf-8")


def _programs() -> Iterator[Path]:
    for name in PROGRAMS:
        found = shutil.which(name, path="/usr/bin:/bin")
        if found:
            yield Path(found)


def _files_of(package: str) -> list[Path]:
    spec = importlib.util.find_spec(package)
    if spec is None:
        raise SandboxError(f"no module {package!r} here; install it first")
    found = [Path(path) for path in spec.submodule_search_locations or ()]
    if not found and spec.origin:
        found = [Path(spec.origin)]
    libraries = [path.parent / f"{package}.libs" for path in found]  # where wheels put them
    return [*found, *(path for path in libraries if path.is_dir())]


def _is_kept(path: Path, above: Path) -> bool:
    return not SKIPPED.intersection(path.relative_to(above).parts)


def _linked(files: Iterable[Path]) -> set[Path]:
    """Ask the dynamic linker for all libraries that the files need, theirs included."""
    listed = [str(path) for path in files]
    done = subprocess.run(["ldd", *listed], capture_output=True, text=True, check=False)
    found = re.findall(r"^\s+(?:\S+ => )?(/\S+) \(0x", done.stdout, re.MULTILINE)
    return {Path(path) for path in found}


def _place(path: Path, tree: Path) -> Path:
    """Say where a file of this machine belongs; parts that are links stay links only at the top."""
    real = Path(os.path.normpath(path))
    parts = real.parts[1:]
    if parts[0] in FOLDERS:
        parts = ("usr", *parts)
    return tree.joinpath(*parts)


def _copy_file(path: Path, tree: Path, as_path: Path | None = None) -> None:
    place = _place(as_path or path, tree)
    if place.exists():
        return
    place.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(path, place)  # what a link points to, under the link's name
    place.chmod(0o755 if os.access(path, os.X_OK) else 0o644)


def _copy_tree(source: Path, tree: Path, skipped: set[str], as_path: Path | None = None) -> None:
    target = as_path or source
    if source.is_file():
        _copy_file(source, tree, target)
        return
    for folder, folders, files in os.walk(source):
        folders[:] = [name for name in folders if name not in skipped]
        for name in files:
            path = Path(folder) / name
            if path.suffix not in (".a", ".pyc") and path.is_file():
                _copy_file(path, tree, target / path.relative_to(source))


def _pack(tree: Path, archive: Path) -> None:
    """Write the tree as root's, with the same times, so that the same tree is the same image."""

    def cleaned(member: tarfile.TarInfo) -> tarfile.TarInfo:
        member.uid = member.gid = member.mtime = 0
        member.uname = member.gname = ""
        return member

    with tarfile.open(archive, "w") as packed:
        for path in sorted(tree.iterdir()):
            packed.add(path, path.name, filter=cleaned)
