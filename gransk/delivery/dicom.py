"""A destination that is sent objects by C-STORE."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pydicom.uid import (
    BasicTextSRStorage,
    ChestCADSRStorage,
    Comprehensive3DSRStorage,
    ComprehensiveSRStorage,
    EncapsulatedPDFStorage,
    EnhancedSRStorage,
    ExplicitVRLittleEndian,
    GrayscaleSoftcopyPresentationStateStorage,
    KeyObjectSelectionDocumentStorage,
    MammographyCADSRStorage,
    SecondaryCaptureImageStorage,
    SegmentationStorage,
)
from pynetdicom.association import Association

from gransk.core.errors import ConfigurationError
from gransk.delivery.destination import RefusedError, UnavailableError
from gransk.delivery.dimse import EndedError, Kind, Peer, associate, echo, kind_of, store, takes
from gransk.site.config_destinations import DicomDestination

IDLE_SECONDS = 10.0
"""An association is kept so long for the next object."""
PROPOSED = frozenset(
    (str(sop_class), str(ExplicitVRLittleEndian))
    for sop_class in (
        BasicTextSRStorage,
        EnhancedSRStorage,
        ComprehensiveSRStorage,
        Comprehensive3DSRStorage,
        MammographyCADSRStorage,
        ChestCADSRStorage,
        KeyObjectSelectionDocumentStorage,
        GrayscaleSoftcopyPresentationStateStorage,
        EncapsulatedPDFStorage,
        SecondaryCaptureImageStorage,
        SegmentationStorage,
    )
)
"""What reports are written as: proposed at once, so that an association serves all of them."""


class DicomCarrier:
    """Sends to a C-STORE peer, over associations that are kept between objects.

    Parameters
    ----------
    settings : DicomDestination
    idle_seconds : float
        An association without work is released after so long.
    """

    def __init__(self, settings: DicomDestination, idle_seconds: float = IDLE_SECONDS) -> None:
        self.settings = settings
        self._idle_seconds = idle_seconds
        self._lock = threading.Lock()
        self._idle: list[Association] = []

    def send(self, sop_instance_uid: str, content: bytes) -> None:
        """Store the object; a peer that has it takes the same bytes again.

        Raises
        ------
        DoubtedError
            Where the peer ends without an answer an association that was made for the object,
            or is out of resources.
        UnavailableError
            Where no association can be made now.
        RefusedError
            Where it will not take the object.
        """
        with _file(content) as path:
            kind = kind_of(path)
            kept = self._kept(kind)
            if kept is not None:
                try:
                    return self._store(kept, path, kind)
                except EndedError:
                    pass  # It was ended while it was idle, which shows only now.
            self._store(self._made(kind), path, kind)

    def remove(self, sop_instance_uid: str) -> None:
        """DICOM has no deletion.

        Raises
        ------
        RefusedError
            Always.
        """
        raise RefusedError("DICOM has no deletion; remove the object at the destination")

    def echo(self) -> None:
        """Ask whether the peer is there, by C-ECHO (PS3.4 Annex A).

        Raises
        ------
        UnavailableError
            Where it does not answer, or takes no association from us.
        RefusedError
            Where it takes one and answers no C-ECHO.
        """
        echo(peer_of(self.settings))

    def close(self) -> None:
        """Release every association that is not in use."""
        with self._lock:
            idle, self._idle = self._idle, []
        for association in idle:
            association.release()

    def _store(self, association: Association, path: Path, kind: Kind) -> None:
        try:
            store(association, path, kind)
        finally:
            if association.is_established:
                with self._lock:
                    self._idle.append(association)

    def _kept(self, kind: Kind) -> Association | None:
        """An association that is there and takes the kind, for this object alone."""
        with self._lock:
            self._idle = [one for one in self._idle if one.is_established]
            found = next((one for one in self._idle if takes(one, kind)), None)
            if found is not None:
                self._idle.remove(found)
        return found

    def _made(self, kind: Kind) -> Association:
        made = associate(peer_of(self.settings), PROPOSED | {kind})
        made.network_timeout_response = "A-RELEASE"
        made.network_timeout = self._idle_seconds
        return made


def peer_of(settings: DicomDestination) -> Peer:
    """Who a destination is on the network.

    Raises
    ------
    UnavailableError
        Where its TLS files cannot be read now.
    """
    try:
        tls = None if settings.tls is None else settings.tls.context()
    except ConfigurationError as error:
        raise UnavailableError(str(error)) from error
    return Peer(
        settings.aet,
        settings.host,
        settings.port,
        settings.calling_aet,
        tls,
        settings.timeout_seconds,
    )


@contextmanager
def _file(content: bytes) -> Iterator[Path]:
    """Bytes as a file of this process's memory, as they are sent from one.

    A worker that is killed leaves nothing of a patient behind.
    """
    with os.fdopen(os.memfd_create("object"), "wb") as file:
        file.write(content)
        file.flush()
        yield Path(f"/proc/self/fd/{file.fileno()}")
