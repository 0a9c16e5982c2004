"""Our own archive as a destination of results."""

from __future__ import annotations

from gransk.archive.orthanc import (
    ArchiveRefusedError,
    ArchiveUnavailableError,
    NotInArchiveError,
    Orthanc,
)
from gransk.delivery.deliver import RefusedError, UnavailableError


class ArchiveCarrier:
    """Stores in our own archive, by its REST door."""

    def __init__(self, orthanc: Orthanc) -> None:
        self.orthanc = orthanc

    def send(self, sop_instance_uid: str, content: bytes) -> None:
        """Store the object, unless the same bytes are there."""
        try:
            there = self.orthanc.find_instance(sop_instance_uid)
            if there is None or self._file(there) != content:
                self.orthanc.store(content)
        except ArchiveUnavailableError as error:
            raise UnavailableError(str(error)) from error
        except ArchiveRefusedError as error:
            raise RefusedError(str(error)) from error

    def remove(self, sop_instance_uid: str) -> None:
        """Delete the object, wherever in the archive it is."""
        try:
            while (there := self.orthanc.find_instance(sop_instance_uid)) is not None:
                self.orthanc.delete_instance(there)
        except NotInArchiveError:
            return
        except ArchiveUnavailableError as error:
            raise UnavailableError(str(error)) from error
        except ArchiveRefusedError as error:
            raise RefusedError(str(error)) from error

    def _file(self, instance_id: str) -> bytes | None:
        try:
            return self.orthanc.file(instance_id)
        except NotInArchiveError:
            return None
