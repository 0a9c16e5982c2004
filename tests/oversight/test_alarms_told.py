"""Alarms by mail and webhook: real servers, TLS, outages, a killed process, and no patient."""

from __future__ import annotations

import base64
import datetime
import json
import os
import secrets
import signal
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from email import message_from_bytes, policy
from email.message import EmailMessage
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import trustme
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult, LoginPassword
from drift_site import add, fill, key
from free_ports import free_port
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import select, update
from standardwebhooks.webhooks import Webhook, WebhookVerificationError

from gransk.core.errors import ConfigurationError
from gransk.oversight.alarm_tables import Alarm, AlarmKind, AlarmMessage
from gransk.oversight.alarms import end_alarm, raise_alarm
from gransk.oversight.alarms_text import catalogue
from gransk.oversight.drift.looking import DriftWatcher
from gransk.oversight.telling import AlarmTeller, sign
from gransk.site.config import Config, load_config
from gransk.site.config_monitoring import DriftSection
from gransk.site.database import Database, utcnow
from gransk.site.migrate import upgrade

SECRET = "whsec_" + base64.b64encode(b"s" * 32).decode()
PASSWORD = "a long password"


class Mailbox:
    """A mail server of aiosmtpd's that asks for TLS and a password."""

    def __init__(self, authority: trustme.CA) -> None:
        self.mails: list[EmailMessage] = []
        self.refuses = False
        self.refused: dict[str, str] = {}
        """Addresses that are refused, and how."""
        self.taken: list[list[str]] = []
        """To whom each mail was addressed on its envelope."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        authority.issue_cert("127.0.0.1").configure_cert(context)
        self.controller = Controller(
            self, hostname="127.0.0.1", port=free_port(), tls_context=context,
            require_starttls=True, authenticator=self._may, auth_required=True,
        )  # fmt: skip
        self.controller.start()
        self.port = self.controller.port

    def _may(self, _server: Any, _session: Any, _envelope: Any, _how: str, data: Any) -> AuthResult:
        good = isinstance(data, LoginPassword) and data.password == PASSWORD.encode()
        return AuthResult(success=good)

    async def handle_RCPT(
        self, _server: Any, _session: Any, envelope: Any, address: str, _options: Any
    ) -> str:
        if address in self.refused:
            return self.refused[address]
        envelope.rcpt_tos.append(address)
        return "250 taken"

    async def handle_DATA(self, _server: Any, _session: Any, envelope: Any) -> str:
        if self.refuses:
            return "451 try again later"
        read = message_from_bytes(envelope.content, policy=policy.default)
        assert isinstance(read, EmailMessage)
        self.mails.append(read)
        self.taken.append(envelope.rcpt_tos)
        return "250 taken"


class Hook:
    """A real HTTP server that is told; ``answers`` is what it says, ``hold`` how long it waits."""

    def __init__(self) -> None:
        self.got: list[tuple[dict[str, str], bytes]] = []
        self.answers = 204
        self.hold = threading.Event()
        self.hold.set()
        hook = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                hook.got.append(({k.lower(): v for k, v in self.headers.items()}, body))
                hook.hold.wait(30)
                self.send_response(hook.answers)
                self.end_headers()

            def log_message(self, *_: Any) -> None:
                return

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}/alarms"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def told(self) -> list[dict[str, Any]]:
        """What was told, each id once, as its receiver verifies it."""
        found = {}
        for headers, body in self.got:
            found[headers["webhook-id"]] = Webhook(SECRET).verify(body, headers)
        return list(found.values())


@pytest.fixture
def mailbox() -> Iterator[Mailbox]:
    found = Mailbox(trustme.CA())
    yield found
    found.controller.stop()


@pytest.fixture
def hook() -> Iterator[Hook]:
    found = Hook()
    yield found
    found.hold.set()
    found.server.shutdown()
    found.server.server_close()


Make = Callable[..., tuple[Config, Database]]


@pytest.fixture
def make(tmp_path: Path) -> Iterator[Make]:
    """A configuration with a monitoring section, and its database."""
    opened = []

    def site(language: str = "en", **monitoring: Any) -> tuple[Config, Database]:
        (tmp_path / "secret").write_text(SECRET)
        (tmp_path / "password").write_text(PASSWORD)
        path = tmp_path / "gransk.yaml"
        content = {"language": language, "organization": "North", "monitoring": monitoring}
        path.write_text(json.dumps(content))
        config = load_config(path)
        config.data_folder.mkdir(exist_ok=True)
        database = Database(config.database.url)
        upgrade(database)
        opened.append(database)
        return config, database

    yield site
    for database in opened:
        database.close()


def webhook(hook: Hook, **values: Any) -> dict[str, Any]:
    return {"name": "hospital", "url": hook.url, "secret_file": "secret"} | values


def mail(tmp_path: Path, authority: trustme.CA, port: int, **values: Any) -> dict[str, Any]:
    authority.cert_pem.write_to_path(str(tmp_path / "authority.pem"))
    return {
        "host": "127.0.0.1", "port": port, "username": "gransk", "password_file": "password",
        "sender": "gransk@north.example", "receivers": ["it@north.example", "ray@north.example"],
        "tls": {"authority_file": "authority.pem"},
    } | values  # fmt: skip


def wrong(database: Database, about: str = "data") -> None:
    with database.begin() as session:
        raise_alarm(session, AlarmKind.DISK_FULL, about, {"free_mb": 12})


def well(database: Database, about: str = "data") -> None:
    with database.begin() as session:
        end_alarm(session, AlarmKind.DISK_FULL, about)


def later(database: Database) -> None:
    """Everything that was made or is awaited was so long ago."""
    before = utcnow() - datetime.timedelta(hours=2)
    with database.begin() as session:
        session.execute(update(AlarmMessage).values(made_at=before, next_at=before))


@pytest.mark.parametrize("language", ["en", "da"])
def test_a_mail_by_tls_and_password(make: Make, tmp_path: Path, language: str) -> None:
    authority = trustme.CA()
    box = Mailbox(authority)
    try:
        config, database = make(language, mail=mail(tmp_path, authority, box.port))
        wrong(database)
        teller = AlarmTeller(database, config)
        assert teller.run_once() == 2
        assert teller.run_once() == 0
    finally:
        box.controller.stop()
    assert box.taken == [["it@north.example"], ["ray@north.example"]]
    got, _ = box.mails
    assert got["to"] == "it@north.example, ray@north.example"
    assert got["subject"].startswith("[North] Gransk: 1")
    assert catalogue()["kind_disk_full"][language] in got.get_content()
    assert "/monitoring/drift/alarms/" in got.get_content()


def test_a_server_of_another_authority_is_told_nothing(
    make: Make, tmp_path: Path, mailbox: Mailbox
) -> None:
    config, database = make(mail=mail(tmp_path, trustme.CA(), mailbox.port))
    wrong(database)
    assert AlarmTeller(database, config).run_once() == 0
    assert mailbox.mails == []
    with database.read() as session:
        row = session.scalars(select(AlarmMessage)).one()
        assert (row.tries, row.error) == (1, "SSLCertVerificationError")


def test_a_server_that_is_busy_is_told_later_the_same(make: Make, tmp_path: Path) -> None:
    authority = trustme.CA()
    box = Mailbox(authority)
    try:
        receivers = ["it@north.example"]
        config, database = make(mail=mail(tmp_path, authority, box.port, receivers=receivers))
        wrong(database)
        box.refuses = True
        teller = AlarmTeller(database, config)
        assert teller.run_once() == 0
        assert teller.run_once() == 0  # it is not time yet
        with database.read() as session:
            row = session.scalars(select(AlarmMessage)).one()
            assert (row.tries, row.error, row.sent_at) == (1, "answered 451", None)
            ident = row.id
        box.refuses = False
        later(database)
        assert teller.run_once() == 1
    finally:
        box.controller.stop()
    assert box.mails[0]["message-id"] == f"<{ident}@north.example>"


@pytest.mark.parametrize("answer", ["451 try again later", "550 nobody of that name"])
def test_an_address_that_is_refused_is_told_again_and_holds_up_no_other(
    make: Make, tmp_path: Path, caplog: pytest.LogCaptureFixture, answer: str
) -> None:
    authority = trustme.CA()
    box = Mailbox(authority)
    try:
        config, database = make(mail=mail(tmp_path, authority, box.port))
        wrong(database)
        box.refused = {"it@north.example": answer}
        teller = AlarmTeller(database, config)
        assert (teller.run_once(), teller.run_once()) == (0, 1)
        assert box.taken == [["ray@north.example"]]
        with database.read() as session:
            row = session.scalars(select(AlarmMessage).where(AlarmMessage.sent_at.is_(None))).one()
        assert row.error.startswith(
            f"monitoring.mail.receivers: the server refuses number 1 ({answer[:3]})"
        )
        assert row.error in caplog.text
        assert "it@north" not in caplog.text + row.receiver + row.error
        well(database)
        later(database)
        assert (teller.run_once(), teller.run_once()) == (0, 1), "the other hears what comes next"
        box.refused = {}
        later(database)
        assert teller.run_once() == 1
    finally:
        box.controller.stop()
    assert box.taken[-1] == ["it@north.example"]
    assert box.mails[-1]["message-id"] == f"<{row.id}@north.example>"


def test_a_mail_server_that_is_down_costs_its_time_once_a_look(
    make: Make, tmp_path: Path, hook: Hook
) -> None:
    down = mail(tmp_path, trustme.CA(), 1)
    config, database = make(mail=down, webhooks=[webhook(hook)])
    wrong(database)
    teller = AlarmTeller(database, config)
    teller.run_once()
    with database.read() as session:
        rows = session.scalars(select(AlarmMessage).where(AlarmMessage.sent_at.is_(None))).all()
    assert [row.tries for row in rows] == [1]


def test_a_webhook_is_verified_by_another_implementation(make: Make, hook: Hook) -> None:
    config, database = make(webhooks=[webhook(hook)])
    wrong(database)
    assert AlarmTeller(database, config).run_once() == 1
    (told,) = hook.told()
    assert told["type"] == "alarms.changed"
    (alarm,) = told["data"]["alarms"]
    assert (alarm["kind"], alarm["about"], alarm["state"]) == ("disk_full", "data", "open")
    assert alarm["figures"] == {"free_mb": 12}
    headers, body = hook.got[0]
    with pytest.raises(WebhookVerificationError):
        Webhook(SECRET).verify(body.replace(b"12", b"13"), headers)


def test_no_storm_but_one_summary_an_interval(make: Make, hook: Hook) -> None:
    config, database = make(webhooks=[webhook(hook)], summary_minutes=60)
    teller = AlarmTeller(database, config)
    for n in range(5):
        wrong(database, f"disk-{n}")
    teller.run_once()
    for n in range(5, 30):
        wrong(database, f"disk-{n}")
        teller.run_once()
    well(database, "disk-3")
    teller.run_once()
    assert [len(one["data"]["alarms"]) for one in hook.told()] == [5]
    later(database)
    teller.run_once()
    second = hook.told()[1]["data"]
    assert len(second["alarms"]) == 26
    assert [one["about"] for one in second["alarms"] if one["state"] == "ended"] == ["disk-3"]
    assert second["open"] == 29
    later(database)
    assert teller.run_once() == 0


def test_one_receiver_that_is_down_holds_up_no_other(
    make: Make, tmp_path: Path, hook: Hook
) -> None:
    authority = trustme.CA()
    closed = mail(tmp_path, authority, 1)
    config, database = make(mail=closed, webhooks=[webhook(hook)])
    wrong(database)
    assert AlarmTeller(database, config).run_once() == 1
    assert len(hook.told()) == 1
    with database.read() as session:
        found = {
            row.receiver.partition(":")[0]: row.error
            for row in session.scalars(select(AlarmMessage))
        }
    assert found == {"mail": "ConnectionRefusedError", "webhook": ""}


def test_who_is_told_for_the_first_time_hears_of_what_lasts(make: Make, hook: Hook) -> None:
    _, database = make()
    wrong(database, "old")
    well(database, "old")
    wrong(database, "new")
    config, database = make(webhooks=[webhook(hook)])
    AlarmTeller(database, config).run_once()
    assert [one["about"] for one in hook.told()[0]["data"]["alarms"]] == ["new"]


def test_killed_in_the_middle_it_is_told_again_under_the_same_id(
    make: Make, tmp_path: Path, hook: Hook
) -> None:
    config, database = make(webhooks=[webhook(hook)])
    wrong(database)
    hook.hold.clear()
    worker = subprocess.Popen(
        [sys.executable, str(Path(__file__).parent / "alarm_worker.py"),
         str(tmp_path / "gransk.yaml")],
        env=os.environ,
    )  # fmt: skip
    deadline = time.monotonic() + 60
    while not hook.got and time.monotonic() < deadline:
        time.sleep(0.05)
    worker.send_signal(signal.SIGKILL)
    worker.wait()
    hook.hold.set()
    with database.read() as session:
        assert session.scalars(select(AlarmMessage)).one().sent_at is None
    assert AlarmTeller(database, config).run_once() == 1
    assert len(hook.got) == 2
    assert hook.got[0][0]["webhook-id"] == hook.got[1][0]["webhook-id"]
    assert hook.got[0][1] == hook.got[1][1]
    assert AlarmTeller(database, config).run_once() == 0


@pytest.mark.parametrize("secret", ["", "whsec_", "plain text", "whsec_c2hvcnQ="])
def test_a_secret_that_is_none_is_refused(secret: str) -> None:
    with pytest.raises(ConfigurationError, match="whsec_"):
        sign(secret, "a", "1", b"{}")


NAMES = st.text(st.characters(categories=["Lu", "Ll", "Nd"], include_characters="^ "), min_size=6)


@settings(max_examples=4, deadline=None, suppress_health_check=list(HealthCheck))
@given(manufacturer=NAMES, kernel=NAMES, device=NAMES)
def test_no_text_of_an_image_and_no_key_of_a_study_is_told(
    tmp_path_factory: pytest.TempPathFactory, manufacturer: str, kernel: str, device: str
) -> None:
    """Headers may hold anything, a patient's name too: none of it is in what is told."""
    folder = tmp_path_factory.mktemp("told")
    (folder / "gransk.yaml").write_text("organization: North\n")
    config = load_config(folder / "gransk.yaml")
    database = Database(f"sqlite:///{folder}/told.db")
    upgrade(database)
    mark = secrets.token_hex(8)
    texts = {"manufacturer": f"{manufacturer}{mark}", "kernel": f"{kernel}{mark}",
             "equipment": f"{device}{mark}"}  # fmt: skip
    fill(database, [0.1] * 160)
    with database.begin() as session:
        add(session, range(160, 560), [texts] * 400)
    section = DriftSection(reference_studies=120)
    DriftWatcher(database, section, datetime.UTC, lambda _: set(), lambda *_: []).run_once()
    teller = AlarmTeller(database, config)
    with database.read() as session:
        alarms = list(session.scalars(select(Alarm)))
        content = teller._content(session, alarms, utcnow())
    database.close()
    assert {alarm.figures["fact"] for alarm in alarms} >= {"kernel", "manufacturer"}
    assert any(mark in str(alarm.shown) for alarm in alarms)
    assert any(alarm.studies for alarm in alarms)
    told = json.dumps(content)
    assert mark not in told
    for n in range(560):
        assert key(n)[:8] not in told
