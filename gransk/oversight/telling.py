"""Alarms told by mail and webhook: from an outbox, at least once, at most so often, no patient.

News of alarms gathers until it is time for the next summary of a receiver; then the summary is
made and kept, and sent until the receiver has taken it. A summary sent again bears the same id.
"""

from __future__ import annotations

import base64
import binascii
import datetime
import hashlib
import hmac
import json
import logging
import smtplib
import ssl
import uuid
from collections.abc import Mapping, Sequence
from email.message import EmailMessage
from email.utils import format_datetime
from typing import Any, Protocol

import httpx
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from gransk.core.errors import ConfigurationError, place
from gransk.core.keys import digest
from gransk.core.waiting import backoff
from gransk.oversight.alarm_tables import Alarm, AlarmMessage, AlarmNews
from gransk.oversight.alarms import open_alarms
from gransk.oversight.alarms_text import body_of, subject_of
from gransk.site.config import Config
from gransk.site.config_messages import TlsClient
from gransk.site.config_monitoring import MailSection, Webhook
from gransk.site.database import Database, utcnow

log = logging.getLogger(__name__)

MAIL = "mail:"
WEBHOOK = "webhook:"
FIRST_WAIT_SECONDS = 15.0
LONGEST_WAIT_SECONDS = 900.0
MOST = 100
"""Alarms that one summary names; it says how many there are beside them."""
SECRET_PREFIX = "whsec_"  # noqa: S105 - how secrets begin
SECRET_BYTES = (24, 64)


class Receiver(Protocol):
    """Somebody who is told."""

    def send(self, ident: str, content: Mapping[str, Any]) -> None:
        """Send a summary.

        Raises
        ------
        OSError, httpx.HTTPError, ConfigurationError
            Where it was not taken, or it is not known whether it was.
        """


class MailReceiver:
    """One of those who are told through a mail server.

    Each is sent a mail of its own: where a server takes some addresses of one and refuses
    others, whom it refused would not be told again.

    Parameters
    ----------
    settings : MailSection
    number : int
        Which of its receivers, from 0.
    language : str
        Of the text.
    """

    def __init__(self, settings: MailSection, number: int, language: str) -> None:
        self.settings = settings
        self.number = number
        self.language = language

    @property
    def name(self) -> str:
        """By what it is known in the database: its address is not written there."""
        return MAIL + digest(self.settings.receivers[self.number])[:16]

    def send(self, ident: str, content: Mapping[str, Any]) -> None:
        message = self._message(ident, content)
        settings = self.settings
        context = (settings.tls or TlsClient()).context()
        with self._connected(context) as server:
            if settings.security == "starttls":
                server.starttls(context=context)
            if settings.username:
                server.login(settings.username, settings.password())
            try:
                server.send_message(message, settings.sender, [settings.receivers[self.number]])
            except smtplib.SMTPRecipientsRefused as error:
                ((code, _),) = error.recipients.values()
                raise ConfigurationError(
                    f"monitoring.mail.receivers: the server refuses number {self.number + 1} "
                    f"({code}); mend the address, or ask who runs the server"
                ) from error

    def _connected(self, context: ssl.SSLContext) -> smtplib.SMTP:
        where, seconds = (self.settings.host, self.settings.port), self.settings.timeout_seconds
        if self.settings.security == "tls":
            return smtplib.SMTP_SSL(*where, timeout=seconds, context=context)
        return smtplib.SMTP(*where, timeout=seconds)

    def _message(self, ident: str, content: Mapping[str, Any]) -> EmailMessage:
        made = EmailMessage()
        made["From"] = self.settings.sender
        made["To"] = ", ".join(self.settings.receivers)
        made["Subject"] = subject_of(content, self.language)
        made["Date"] = format_datetime(datetime.datetime.fromisoformat(content["timestamp"]))
        made["Message-ID"] = f"<{ident}@{self.settings.sender.partition('@')[2]}>"
        made["Auto-Submitted"] = "auto-generated"
        made.set_content(body_of(content, self.language))
        return made


class WebhookReceiver:
    """Who is told by POST, signed as Standard Webhooks 1.0.0 has it.

    The headers are ``webhook-id``, ``webhook-timestamp`` and ``webhook-signature``: of id,
    timestamp and body, parted by full stops, by HMAC-SHA256. Any answer of 200 to 299 takes it.
    """

    def __init__(self, settings: Webhook) -> None:
        self.settings = settings

    def send(self, ident: str, content: Mapping[str, Any]) -> None:
        body = json.dumps(content, separators=(",", ":"), sort_keys=True).encode()
        at = str(int(utcnow().timestamp()))
        signature = sign(self.settings.secret(), ident, at, body)
        answer = httpx.post(
            self.settings.url,
            content=body,
            headers={
                "content-type": "application/json",
                "webhook-id": ident,
                "webhook-timestamp": at,
                "webhook-signature": signature,
            },
            timeout=self.settings.timeout_seconds,
            verify=(self.settings.tls or TlsClient()).context(),
            follow_redirects=False,
            trust_env=False,
        )
        answer.raise_for_status()


def sign(secret: str, ident: str, at: str, body: bytes) -> str:
    """The signature of a summary.

    Raises
    ------
    ConfigurationError
        Where the secret is none.
    """
    try:
        key = base64.b64decode(secret.removeprefix(SECRET_PREFIX), validate=True)
    except (binascii.Error, ValueError):
        key = b""
    if not SECRET_BYTES[0] <= len(key) <= SECRET_BYTES[1]:
        raise ConfigurationError(
            "monitoring.webhooks: the secret is not whsec_ and 24 to 64 bytes as base64"
        )
    signed = hmac.new(key, f"{ident}.{at}.".encode() + body, hashlib.sha256).digest()
    return "v1," + base64.b64encode(signed).decode()


def receivers(config: Config) -> dict[str, Receiver]:
    """Who is told by the configuration, by name."""
    section = config.monitoring
    found: dict[str, Receiver] = {
        WEBHOOK + one.name: WebhookReceiver(one) for one in section.webhooks
    }
    if section.mail is not None:
        for number in range(len(section.mail.receivers)):
            one = MailReceiver(section.mail, number, config.language)
            found[one.name] = one
    return found


class AlarmTeller:
    """Makes summaries when it is time, and sends those that wait.

    Parameters
    ----------
    database : Database
    config : Config
    """

    def __init__(self, database: Database, config: Config) -> None:
        self._database = database
        self._pause = datetime.timedelta(minutes=config.monitoring.summary_minutes)
        self._page = f"{config.service.public_url}/monitoring/drift"
        self._organization = config.organization
        self._receivers = receivers(config)

    def run_once(self) -> int:
        """Tell every receiver what it is time for; how many summaries were taken."""
        taken, mail_failed = 0, False
        for name, receiver in self._receivers.items():
            # A server that does not answer costs its time once a look, not once an address.
            if mail_failed and isinstance(receiver, MailReceiver):
                continue
            with self._database.begin() as session:
                waiting = self._waiting(session, name)
            if waiting is None:
                continue
            is_taken = self._send(waiting, receiver)
            taken += is_taken
            mail_failed = isinstance(receiver, MailReceiver) and not is_taken
        return taken

    def _waiting(self, session: Session, name: str) -> tuple[str, dict[str, Any]] | None:
        """The summary whose turn it is: one that waits, else a new one where there is news."""
        now = utcnow()
        query = select(AlarmMessage).where(AlarmMessage.receiver == name)
        row = session.scalar(query.where(AlarmMessage.sent_at.is_(None)))
        if row is None:
            last = session.scalar(
                query.order_by(AlarmMessage.until.desc(), AlarmMessage.made_at.desc()).limit(1)
            )
            if last is not None and now < last.made_at + self._pause:
                return None
            row = self._made(session, name, last, now)
        if row is None or row.next_at > now:
            return None
        return row.id, dict(row.content)

    def _made(
        self, session: Session, name: str, last: AlarmMessage | None, now: datetime.datetime
    ) -> AlarmMessage | None:
        until = session.scalar(select(func.max(AlarmNews.number))) or 0
        if last is None:
            # Who is told for the first time hears of what lasts, not of what was.
            alarms = open_alarms(session)
        elif until > last.until:
            news = select(AlarmNews.alarm).where(AlarmNews.number > last.until)
            query = select(Alarm).where(Alarm.id.in_(news)).order_by(Alarm.raised_at, Alarm.id)
            alarms = list(session.scalars(query))
        else:
            alarms = []
        if not alarms:
            return None
        row = AlarmMessage(
            id=uuid.uuid4().hex,
            receiver=name,
            until=until,
            content=self._content(session, alarms, now),
            made_at=now,
            next_at=now,
            tries=0,
            error="",
            sent_at=None,
        )
        session.add(row)
        session.flush()
        return row

    def _content(
        self, session: Session, alarms: Sequence[Alarm], now: datetime.datetime
    ) -> dict[str, Any]:
        return {
            "type": "alarms.changed",
            "timestamp": now.isoformat(timespec="seconds"),
            "data": {
                "organization": self._organization,
                "page": self._page,
                "open": len(open_alarms(session)),
                "more": max(0, len(alarms) - MOST),
                "alarms": [told(one, self._page) for one in alarms[:MOST]],
            },
        }

    def _send(self, waiting: tuple[str, dict[str, Any]], receiver: Receiver) -> bool:
        ident, content = waiting
        error = ""
        try:
            receiver.send(ident, content)
        except httpx.HTTPStatusError as fault:
            error = f"answered {fault.response.status_code}"
        except ConfigurationError as fault:
            error = str(fault)
        except smtplib.SMTPResponseException as fault:
            error = f"answered {fault.smtp_code}"
        except (OSError, httpx.HTTPError, smtplib.SMTPException) as fault:
            error = type(fault).__name__
        except Exception as fault:  # noqa: BLE001 another receiver is told all the same
            error = place(fault)
        with self._database.begin() as session:
            row = session.get_one(AlarmMessage, ident)
            row.tries, row.error = row.tries + 1, error
            if error:
                seconds = backoff(FIRST_WAIT_SECONDS, row.tries - 1, LONGEST_WAIT_SECONDS)
                row.next_at = utcnow() + datetime.timedelta(seconds=seconds)
                log.warning("alarms are not told to %s: %s", row.receiver, error)
            else:
                row.sent_at = utcnow()
        return not error


def told(alarm: Alarm, page: str) -> dict[str, Any]:
    """What is told of an alarm: nothing of a study, and no text of an image."""
    return {
        "id": alarm.id,
        "kind": str(alarm.kind),
        "about": alarm.about,
        "state": "open" if alarm.ended_at is None else "ended",
        "since": alarm.since.isoformat(timespec="seconds"),
        "raised_at": alarm.raised_at.isoformat(timespec="seconds"),
        "ended_at": None
        if alarm.ended_at is None
        else alarm.ended_at.isoformat(timespec="seconds"),
        "figures": alarm.figures,
        "studies": len(alarm.studies),
        "page": f"{page}/alarms/{alarm.id}",
    }
