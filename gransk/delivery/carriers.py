"""What carries results to each kind of destination."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from gransk.delivery.destination import Destination as Carrier
from gransk.delivery.dicom import DicomCarrier
from gransk.delivery.dicomweb import DicomwebCarrier
from gransk.delivery.pacing import Pace
from gransk.site.config_destinations import (
    Destination,
    DicomDestination,
    DicomwebDestination,
    OrthancDestination,
)


def make_carriers(
    destinations: Sequence[Destination], archive: Callable[[OrthancDestination], Carrier]
) -> dict[str, Carrier]:
    """The carriers of a configuration, by name.

    Parameters
    ----------
    destinations : sequence of Destination
        ``config.destinations``.
    archive : callable
        Makes the carrier to our own archive.
    """
    return {one.name: _carrier(one, archive) for one in destinations}


def paces(destinations: Sequence[Destination]) -> dict[str, Pace]:
    """How each destination wants to be sent to."""
    return {one.name: Pace(one.per_minute, one.retry_seconds) for one in destinations}


def _carrier(one: Destination, archive: Callable[[OrthancDestination], Carrier]) -> Carrier:
    if isinstance(one, DicomDestination):
        return DicomCarrier(one)
    if isinstance(one, DicomwebDestination):
        return DicomwebCarrier(one)
    return archive(one)
