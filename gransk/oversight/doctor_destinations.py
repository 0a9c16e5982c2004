"""The doctor's look at the destinations of results: do they answer, and how are they reached?"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

from gransk.core.errors import ConfigurationError, GranskError
from gransk.core.object_kinds import ObjectKind
from gransk.delivery.destination import RefusedError, UnavailableError
from gransk.delivery.dicom import DicomCarrier
from gransk.delivery.dicomweb import DicomwebCarrier
from gransk.oversight.doctor import LOOPBACK, Check, Level, Result
from gransk.site.config import Config
from gransk.site.config_destinations import DicomDestination, DicomwebDestination
from gransk.site.config_types import read_secret

Remote = DicomDestination | DicomwebDestination
PROBE_SECONDS = 10.0
NAME = "destinations"


def check_destinations(config: Config) -> Iterator[Result]:
    """Does each destination beside our own archive answer, and over TLS where it is far?"""
    if not config.destinations:
        yield Result(NAME, Level.WARN, "destinations_none")
    for one in config.destinations:
        if not isinstance(one, DicomDestination | DicomwebDestination):
            continue
        values = {"name": one.name}
        try:
            _probe(one)
        except (RefusedError, UnavailableError, ConfigurationError) as error:
            told = {**values, "error": str(error)}
            yield Result(NAME, Level.WARN, "destination_silent", told)
        else:
            yield Result(NAME, Level.OK, "destination_good", values)
        yield from _ways(one)
    unwanted = set(ObjectKind) - {kind for one in config.destinations for kind in one.objects}
    if unwanted and config.destinations:
        kinds = ", ".join(kind for kind in ObjectKind if kind in unwanted)
        yield Result(NAME, Level.OK, "destination_unwanted", {"kinds": kinds})


def _probe(one: Remote) -> None:
    """Reach a destination, by C-ECHO or a query that finds nothing."""
    seconds = min(one.timeout_seconds, PROBE_SECONDS)
    if isinstance(one, DicomDestination):
        DicomCarrier(one.model_copy(update={"timeout_seconds": seconds})).echo()
    else:
        DicomwebCarrier(one.model_copy(update={"timeout_seconds": seconds})).echo()


def _ways(one: Remote) -> Iterator[Result]:
    """How a destination is reached: in the clear, or with secrets that others can read."""
    plain = [host for host in _plain(one) if host not in LOOPBACK]
    if plain:
        values = {"name": one.name, "hosts": ", ".join(plain)}
        yield Result(NAME, Level.WARN, "destination_plain", values)
    for path in _secrets(one):
        values = {"name": one.name, "path": str(path)}
        try:
            read_secret(path, f"destinations.{one.name}")
        except GranskError:
            yield Result(NAME, Level.FAIL, "destination_file", values)
            continue
        if path.stat().st_mode & 0o077:
            yield Result(NAME, Level.WARN, "secret_open", values)


def _plain(one: Remote) -> Iterator[str]:
    """Hosts that are reached without TLS."""
    if isinstance(one, DicomDestination):
        if one.tls is None:
            yield one.host
        return
    urls = [one.url, *([] if one.oauth is None else [one.oauth.token_url])]
    for parts in map(urlsplit, urls):
        if parts.scheme != "https":
            yield parts.hostname or ""


def _secrets(one: Remote) -> Iterator[Path]:
    """Files that only we should read."""
    files = [None if one.tls is None else one.tls.key_file]
    if isinstance(one, DicomwebDestination):
        files += [one.password_file, one.token_file]
        files += [] if one.oauth is None else [one.oauth.client_secret_file]
    yield from (path for path in files if path is not None)


CHECKS: tuple[Check, ...] = (check_destinations,)
