"""The doctor's look at the machine: logs, limits, time zone, ports, certificates."""

from __future__ import annotations

import datetime
import resource
import socket
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

from cryptography import x509

from gransk.core.errors import ConfigurationError
from gransk.oversight.doctor import LOOPBACK, Check, Level, Result
from gransk.site.config import Config
from gransk.site.config_destinations import DicomDestination, DicomwebDestination
from gransk.site.config_messages import (
    Hl7Destination,
    MessageDestination,
    TlsClient,
    TlsServer,
)
from gransk.site.database import utcnow
from gransk.site.migrate import RESTORING

OPEN_FILES = 1024
SOON_DAYS = 30
PROBE_SECONDS = 2.0


def check_restoring(config: Config) -> Iterator[Result]:
    """Was a restore ended in the middle?"""
    if (config.data_folder / RESTORING).exists():
        values = {"path": str(config.data_folder)}
        yield Result("data_folder", Level.FAIL, "restore_half", values)


def check_logs(config: Config) -> Iterator[Result]:
    """Can logs be written?"""
    folder = config.data_folder / "logs"
    values = {"path": str(folder)}
    if not folder.exists():
        return
    try:
        with tempfile.NamedTemporaryFile(dir=folder):
            pass
    except OSError:
        yield Result("logs", Level.FAIL, "logs_readonly", values)
    else:
        yield Result("logs", Level.OK, "logs_good", values)


def check_limits(config: Config) -> Iterator[Result]:
    """Does the machine let a process open files enough, and are names of files UTF-8?"""
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    values = {"count": soft, "least": OPEN_FILES}
    few = soft != resource.RLIM_INFINITY and soft < OPEN_FILES
    level, seen = (Level.WARN, "files_few") if few else (Level.OK, "files_good")
    yield Result("limits", level, seen, values)
    encoding = sys.getfilesystemencoding()
    if encoding.lower().replace("-", "") != "utf8":
        yield Result("limits", Level.FAIL, "encoding_wrong", {"encoding": encoding})


def check_time_zone(config: Config) -> Iterator[Result]:
    """Is it known which hours people read by?"""
    if config.time_zone is not None:
        yield Result("time_zone", Level.OK, "zone_good", {"zone": config.time_zone})
    elif time.timezone == 0 and not time.daylight:
        yield Result("time_zone", Level.WARN, "zone_utc")
    else:
        yield Result("time_zone", Level.OK, "zone_good", {"zone": time.tzname[0]})


def check_doors(config: Config) -> Iterator[Result]:
    """Are the doors that the service opens its own?"""
    up = _answers(config.service.host, config.service.port)
    listener, commitment = config.messages.listener, config.commitment
    doors = [] if listener is None else [("messages.listener", listener.host, listener.port)]
    if commitment.port is not None and config.committing:
        doors.append(("commitment", commitment.host, commitment.port))
    for key, host, port in doors:
        values = {"key": key, "host": host, "port": port}
        there = _answers(host, port)
        if up and there:
            yield Result("doors", Level.OK, "listener_good", values)
        elif up:
            yield Result("doors", Level.FAIL, "listener_closed", values)
        elif there:
            yield Result("doors", Level.FAIL, "listener_taken", values)


def check_message_systems(config: Config) -> Iterator[Result]:
    """Do the systems that are told something answer at all?"""
    for one in config.messages.destinations:
        values = {"name": one.name}
        host, port, plain = _way(one)
        if _answers(host, port):
            yield Result("message_systems", Level.OK, "destination_good", values)
        else:
            told = {**values, "host": host, "port": port}
            yield Result("message_systems", Level.WARN, "message_silent", told)
        if plain and host not in LOOPBACK:
            told = {**values, "hosts": host}
            yield Result("message_systems", Level.WARN, "destination_plain", told)


def check_alarm_receivers(config: Config) -> Iterator[Result]:
    """Can alarms be told: is there a secret, and does anybody answer?"""
    mail, hooks = config.monitoring.mail, config.monitoring.webhooks
    receivers = [(f"webhook:{one.name}", *_place(one.url), one.secret) for one in hooks]
    if mail is not None:
        receivers.append(("mail", mail.host, mail.port, mail.password))
    for name, host, port, secret in receivers:
        try:
            secret()
        except ConfigurationError as error:
            told = {"name": name, "error": str(error)}
            yield Result("message_systems", Level.FAIL, "alarm_secret", told)
        if _answers(host, port):
            yield Result("message_systems", Level.OK, "destination_good", {"name": name})
        else:
            silent = {"name": name, "host": host, "port": port}
            yield Result("message_systems", Level.WARN, "message_silent", silent)


def check_certificates(config: Config) -> Iterator[Result]:
    """Do certificates in files still hold?"""
    now = utcnow()
    for path in sorted(set(_certificates(config))):
        try:
            found = x509.load_pem_x509_certificates(path.read_bytes())
            ends = min(one.not_valid_after_utc for one in found)
        except (OSError, ValueError):
            yield Result("certificates", Level.FAIL, "certificate_bad", {"path": str(path)})
            continue
        days = (ends - now) // datetime.timedelta(days=1)
        values = {"path": str(path), "date": ends.date().isoformat(), "days": days}
        if days < 0:
            yield Result("certificates", Level.FAIL, "certificate_expired", values)
        elif days < SOON_DAYS:
            yield Result("certificates", Level.WARN, "certificate_soon", values)
        else:
            yield Result("certificates", Level.OK, "certificate_good", values)
    for path in sorted(set(_keys(config))):
        if path.exists() and path.stat().st_mode & 0o077:
            yield Result("secrets", Level.WARN, "secret_open", {"path": str(path)})


def _tls(config: Config) -> Iterator[TlsClient | TlsServer]:
    for one in config.destinations:
        if isinstance(one, DicomDestination | DicomwebDestination) and one.tls is not None:
            yield one.tls
    yield from _other_tls(config)


def _other_tls(config: Config) -> Iterator[TlsClient | TlsServer]:
    """Of our own doors, and towards systems that are told something."""
    listener = config.messages.listener
    mail, repository = config.monitoring.mail, config.audit.repository
    for one in (
        *(told.tls for told in config.messages.destinations),
        config.commitment.tls,
        None if listener is None else listener.tls,
        *(told.tls for told in config.monitoring.webhooks),
        None if mail is None else mail.tls,
        None if repository is None else repository.tls,
    ):
        if one is not None:
            yield one


def _certificates(config: Config) -> Iterator[Path]:
    for one in _tls(config):
        more = one.authority_file if isinstance(one, TlsClient) else one.clients_file
        yield from (path for path in (one.certificate_file, more) if path is not None)


def _keys(config: Config) -> Iterator[Path]:
    """Private keys; those of destinations have a check of their own."""
    yield from (one.key_file for one in _other_tls(config) if one.key_file is not None)


def _way(one: MessageDestination) -> tuple[str, int, bool]:
    """Host and port of a system, and whether it is reached in the clear."""
    if isinstance(one, Hl7Destination):
        return one.host, one.port, one.tls is None
    return *_place(one.url), not one.url.startswith("https://")


def _place(url: str) -> tuple[str, int]:
    """Host and port of an address."""
    parts = urlsplit(url)
    return parts.hostname or "", parts.port or (443 if parts.scheme == "https" else 80)


def _answers(host: str, port: int) -> bool:
    place = "127.0.0.1" if host in ("0.0.0.0", "::") else host  # noqa: S104
    try:
        socket.create_connection((place, port), PROBE_SECONDS).close()
    except OSError:
        return False
    return True


CHECKS: tuple[Check, ...] = (
    check_restoring,
    check_logs,
    check_limits,
    check_time_zone,
    check_doors,
    check_message_systems,
    check_alarm_receivers,
    check_certificates,
)
