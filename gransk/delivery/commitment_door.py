"""Our door for answers to storage commitment: an N-EVENT-REPORT on a new association.

A destination may open it that is asked for commitment, under its own AE title; another is
rejected when it associates, and an answer counts for the destination that was asked alone.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Sequence

from pydicom import Dataset
from pynetdicom import AE, evt

from gransk.core.errors import ConfigurationError
from gransk.delivery.commitment_asking import NOT_AUTHORISED, PUSH_MODEL, Answers
from gransk.site.config_commitment import CommitmentSection
from gransk.site.config_destinations import DicomDestination

log = logging.getLogger(__name__)

VERIFICATION = "1.2.840.10008.1.1"
ASSOCIATIONS = 16
IDLE_SECONDS = 60.0


class CommitmentDoor:
    """The service class user's end of N-EVENT-REPORT. Making it opens the port.

    Parameters
    ----------
    destinations : sequence of DicomDestination
        Those that are asked for commitment.
    section : CommitmentSection
        With a port.
    answers : Answers

    Raises
    ------
    ConfigurationError
        Where the port cannot be opened, or TLS is set up wrongly.
    """

    def __init__(
        self,
        destinations: Sequence[DicomDestination],
        section: CommitmentSection,
        answers: Answers,
    ) -> None:
        self._names: dict[str, tuple[str, ...]] = {}
        for one in destinations:
            self._names[one.aet] = (*self._names.get(one.aet, ()), one.name)
        self._answers = answers
        entity = AE(section.aet)
        entity.require_called_aet = True
        entity.require_calling_aet = sorted(self._names)
        entity.maximum_associations = ASSOCIATIONS
        entity.acse_timeout = entity.dimse_timeout = entity.network_timeout = IDLE_SECONDS
        # The peer is the provider of the class though it opens the association (PS3.4 J.3.3).
        entity.add_supported_context(PUSH_MODEL, scu_role=True, scp_role=True)
        entity.add_supported_context(VERIFICATION)
        try:
            server = entity.start_server(
                (section.host, int(section.port or 0)),
                block=False,
                ssl_context=section.tls.context() if section.tls else None,
                evt_handlers=[(evt.EVT_N_EVENT_REPORT, self._take)],
            )
        except OSError as error:
            raise ConfigurationError(
                f"commitment: {section.host}:{section.port} cannot be opened "
                f"({error.strerror}); wants a free port of this machine"
            ) from error
        if server is None or server.socket is None:
            raise ConfigurationError(f"commitment: {section.host} has no door")
        self._server = server
        self.port = int(server.socket.getsockname()[1])

    def run(self, stop: threading.Event) -> None:
        """Take answers until told to stop."""
        stop.wait()
        self.close()

    def close(self) -> None:
        """Take no more."""
        self._server.shutdown()

    def _take(self, event: evt.Event) -> tuple[int, Dataset | None]:
        names = self._names.get(str(event.assoc.requestor.ae_title).strip(), ())
        if not names:
            return NOT_AUTHORISED, None
        return self._answers.take(event, names)
