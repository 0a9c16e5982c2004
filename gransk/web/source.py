"""The running version's source, as the AGPL's section 13 asks.

The archive is made of the very files that run, so that it is right for a
changed copy too.
"""

from __future__ import annotations

import io
import tarfile
import threading
from collections.abc import Iterator
from importlib.metadata import entry_points
from importlib.util import find_spec
from pathlib import Path

import gransk

TOP_FILES = (
    "pyproject.toml",
    "constraints.txt",
    "package.json",
    "Makefile",
    "LICENSE",
    "README.md",
    "CHANGELOG.md",
    "CONTRIBUTING.md",
)
TOP_FOLDERS = ("plugins", "orthanc_config", "onnx_models", "scripts", "deploy", "tests", "docs")
LEFT_OUT = ("__pycache__",)


def packages() -> dict[str, Path]:
    """Folder of each package that runs: ours, and every installed application's."""
    names = {"gransk"} | {p.module.split(".")[0] for p in entry_points(group="gransk.applications")}
    found = {}
    for name in sorted(names):
        spec = find_spec(name)
        if spec is not None and spec.submodule_search_locations:
            found[name] = Path(next(iter(spec.submodule_search_locations)))
    return found


def files() -> Iterator[tuple[Path, str]]:
    """Every file of the source with its name in the archive."""
    root = Path(gransk.__file__).resolve().parents[1]
    chosen = packages()
    if (root / "pyproject.toml").is_file():
        for name in TOP_FILES:
            if (root / name).is_file():
                yield root / name, name
        chosen |= {name: root / name for name in TOP_FOLDERS if (root / name).is_dir()}
        chosen |= {init.parent.name: init.parent for init in root.glob("*/__init__.py")}
    for name, folder in chosen.items():
        for path in sorted(folder.rglob("*")):
            inside = path.relative_to(folder)
            if path.is_file() and not path.is_symlink() and not _left_out(inside):
                yield path, f"{name}/{inside.as_posix()}"


def _left_out(path: Path) -> bool:
    return any(part in LEFT_OUT or part.startswith(".") for part in path.parts)


def archive() -> bytes:
    """A gzip-compressed tar of the source."""
    content = io.BytesIO()
    folder = f"gransk-{gransk.__version__}"
    with tarfile.open(fileobj=content, mode="w:gz", compresslevel=6) as tar:
        for path, name in files():
            tar.add(path, f"{folder}/{name}", recursive=False, filter=_plain)
    return content.getvalue()


def _plain(member: tarfile.TarInfo) -> tarfile.TarInfo:
    """Nothing about the machine that serves."""
    member.uid = member.gid = 0
    member.uname = member.gname = ""
    return member


class SourceArchive:
    """The archive, made when it is first asked for and kept."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._content: bytes | None = None

    def content(self) -> bytes:
        with self._lock:
            if self._content is None:
                self._content = archive()
            return self._content
