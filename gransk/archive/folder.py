"""DICOM files of a person's disk as one study."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import Enum
from functools import partial
from pathlib import Path

from gransk.archive.files import read_file
from gransk.core.errors import InvalidValueError, UnreadableInputError
from gransk.core.study import Instance, Study

MAX_FILES = 100_000
MEDIA_STORAGE_DIRECTORY = "1.2.840.10008.1.3.10"


class LeftOut(Enum):
    """Why a file is left out: the words after one file, and after several."""

    NOT_DICOM = ("is not DICOM", "are not DICOM")
    EMPTY = ("is empty", "are empty")
    DAMAGED = ("is damaged DICOM", "are damaged DICOM")
    CLOSED = ("cannot be opened", "cannot be opened")


@dataclass(frozen=True)
class Found:
    """What lay under the given paths.

    Parameters
    ----------
    instances : tuple of Instance
    left_out : mapping of LeftOut to int
        Files that are no readable DICOM object, by kind.
    """

    instances: tuple[Instance, ...]
    left_out: Mapping[LeftOut, int]

    @property
    def words(self) -> str:
        """What was left out, as a person reads it; empty where nothing was."""
        return ", ".join(
            f"{count} {'file' if count == 1 else 'files'} {kind.value[count != 1]}"
            for kind, count in self.left_out.items()
        )


def read_paths(
    paths: Iterable[Path], progress: Callable[[float], None] = lambda share: None
) -> Found:
    """Headers of every DICOM object in files and folders.

    Raises
    ------
    UnreadableInputError
        Where a path does not exist or holds more files than can be meant.
    """
    files = list(_files(paths))
    instances: list[Instance] = []
    left_out: Counter[LeftOut] = Counter()
    for number, path in enumerate(files):
        try:
            header = read_file(path, pixels=False)
            if header.file_meta.get("MediaStorageSOPClassUID") == MEDIA_STORAGE_DIRECTORY:
                continue
            instances.append(Instance(header, partial(read_file, path)))
        except (UnreadableInputError, InvalidValueError):
            left_out[_kind(path)] += 1
        progress((number + 1) / len(files))
    return Found(tuple(instances), {kind: left_out[kind] for kind in LeftOut if left_out[kind]})


def has_prefix(path: Path) -> bool:
    """Does a file claim to be DICOM (PS3.10 section 7.1)? May raise OSError."""
    with path.open("rb") as file:
        return file.read(132)[128:] == b"DICM"


def _kind(path: Path) -> LeftOut:
    """Why a file could not be read."""
    try:
        if path.stat().st_size == 0:
            return LeftOut.EMPTY
        return LeftOut.DAMAGED if has_prefix(path) else LeftOut.NOT_DICOM
    except OSError:
        return LeftOut.CLOSED


def one_study(instances: Iterable[Instance]) -> Study:
    """The study of all instances.

    Raises
    ------
    UnreadableInputError
        Where there is none, or more than one; the message tells the remedy.
    """
    found = tuple(instances)
    if not found:
        raise UnreadableInputError("no DICOM object was found in the given paths")
    studies = {instance.study_instance_uid for instance in found}
    if len(studies) > 1:
        raise UnreadableInputError(
            f"the given paths hold {len(studies)} studies; give the files of one study at a time"
        )
    return Study.from_instances(found)


def _files(paths: Iterable[Path]) -> Iterator[Path]:
    count = 0
    for path in paths:
        if not path.exists():
            raise UnreadableInputError(f"{path} does not exist")
        for file in sorted(p for p in path.rglob("*") if p.is_file()) if path.is_dir() else [path]:
            count += 1
            if count > MAX_FILES:
                raise UnreadableInputError(f"more than {MAX_FILES} files; give a smaller folder")
            yield file
