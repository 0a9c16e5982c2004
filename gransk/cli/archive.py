"""Our own archive as a destination of results."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from contextlib import contextmanager, suppress

from gransk.archive.orthanc import (
    ArchiveFaultError,
    ArchiveRefusedError,
    ArchiveSignInError,
    ArchiveUnavailableError,
    NotInArchiveError,
    Orthanc,
)
from gransk.delivery.destination import DoubtedError, RefusedError, UnavailableError
from gransk.site.config_destinations import Marks

PASSES = (ArchiveUnavailableError, ArchiveSignInError)
"""What ends by itself, or by a person's hand at the archive: results wait for it."""


@contextmanager
def _as_a_destination() -> Iterator[None]:
    """What goes wrong at the archive, as a destination says it."""
    try:
        yield
    except ArchiveFaultError as error:
        raise DoubtedError(str(error)) from error
    except PASSES as error:
        raise UnavailableError(str(error)) from error
    except ArchiveRefusedError as error:
        raise RefusedError(str(error)) from error


class ArchiveCarrier:
    """Stores in our own archive, by its REST door."""

    def __init__(self, orthanc: Orthanc) -> None:
        self.orthanc = orthanc

    def send(self, sop_instance_uid: str, content: bytes) -> None:
        """Store the object, unless the same bytes are there."""
        with _as_a_destination():
            there = self.orthanc.find_instance(sop_instance_uid)
            if there is None or self._file(there) != content:
                self.orthanc.store(content)

    def remove(self, sop_instance_uid: str) -> None:
        """Delete the object, wherever in the archive it is."""
        with _as_a_destination(), suppress(NotInArchiveError):
            while (there := self.orthanc.find_instance(sop_instance_uid)) is not None:
                self.orthanc.delete_instance(there)

    def _file(self, instance_id: str) -> bytes | None:
        try:
            return self.orthanc.file(instance_id)
        except NotInArchiveError:
            return None


class ArchiveMarks:
    """Marks studies in our own archive: labels where its version has them, metadata always.

    Parameters
    ----------
    orthanc : Orthanc
    settings : Marks
    """

    def __init__(self, orthanc: Orthanc, settings: Marks) -> None:
        self.orthanc = orthanc
        self.settings = settings

    def mark(self, place: str, marks: Collection[str]) -> bool:
        """Give a study these marks of ours and no other; other labels and metadata stay."""
        try:
            with _as_a_destination():
                if self.orthanc.has_labels():
                    self._label(place, {self.settings.prefix + one for one in marks})
                self._note(place, " ".join(sorted(marks)))
        except NotInArchiveError:
            return False
        return True

    def _label(self, place: str, wanted: set[str]) -> None:
        prefix = self.settings.prefix
        there = {one for one in self.orthanc.labels(place) if one.startswith(prefix)}
        for label in sorted(wanted - there):
            self.orthanc.set_label(place, label)
        for label in sorted(there - wanted):
            self.orthanc.remove_label(place, label)

    def _note(self, place: str, words: str) -> None:
        """The same as metadata; by its number, which holds where Orthanc knows no name for it."""
        there = self.orthanc.study_metadata(place)
        number = str(self.settings.metadata)
        known = there.get(self.settings.name, there.get(number, ""))
        if words and words != known:
            self.orthanc.set_study_metadata(place, number, words)
        elif known and not words:
            self.orthanc.remove_study_metadata(place, number)
