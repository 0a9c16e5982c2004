"""Faults that are put into a real site: each is found by its code, and its remedy, where it can
be followed here, makes the site good again."""

import datetime
import ipaddress
import json
import os
import resource
import shutil
import socket
import ssl
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest
import yaml
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from sqlalchemy import select, text
from typer.testing import CliRunner

sys.path.insert(0, str(Path(__file__).parents[1] / "delivery"))

from dicom_peers import Storescp
from free_ports import free_port
from kept_site import some_site, write_config

import gransk
from gransk.cli.main import app
from gransk.core.application import model_folder
from gransk.oversight import (
    doctor,
    doctor_destinations,
    doctor_machine,
    doctor_settings,
    doctor_site,
)
from gransk.oversight.backup import make_backup
from gransk.oversight.backup_set import DATABASE, chosen
from gransk.oversight.doctor import OF_MODELS, Level, examine
from gransk.oversight.doctor_site import check_site
from gransk.results.blobs import BlobStore
from gransk.results.tables import Blob
from gransk.site import machines, people
from gransk.site.anchor import advance
from gransk.site.config import load_config
from gransk.site.database import Database, utcnow
from gransk.site.events import EventKind, record
from gransk.site.migrate import RESTORING
from gransk.site.settings import record_settings
from gransk.site.tables import Executor, Role

MODEL = "mammo-density"
CHECKS = (
    *OF_MODELS, *doctor_settings.CHECKS, *doctor_site.CHECKS, *doctor_machine.CHECKS,
    *doctor_destinations.CHECKS,
)  # fmt: skip


class Ill(BaseHTTPRequestHandler):
    """Something that answers as a service does."""

    def do_GET(self):
        self.send_response(200)
        self.end_headers()

    def log_message(self, *arguments):
        pass


class Site:
    """A whole site in which nothing is wrong that a fault here would show."""

    def __init__(self, folder):
        self.folder = folder
        self.backups = folder / "backups"
        self.path = folder / "site" / "gransk.yaml"
        self.server = HTTPServer(("127.0.0.1", 0), Ill)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.values = {
            "data_folder": "data",
            "time_zone": "Europe/Copenhagen",
            "intake": {"min_free_disk_mb": 1},
            "retention": {"warn_free_mb": 1},
            "service": {"port": self.server.server_port, "viewer_folder": "viewer"},
            "models": {"folder": "models"},
            "destinations": [{"name": "orthanc", "kind": "orthanc"}],
        }
        self.sockets = []
        self.folder = folder / "site"
        if not self.path.exists():
            self._make()
        self.config = load_config(self.path)
        self.database = Database(self.config.database.url)
        self.back()

    def _make(self):
        viewer = self.folder / "viewer"
        viewer.mkdir(parents=True)
        (viewer / "index.html").write_text("<html>")
        shutil.copytree(model_folder() / MODEL, self.folder / "models" / MODEL)
        kept = some_site(write_config(self.folder, **self.values))
        self.config, self.database = kept.config, kept.database
        secrets = self.config.data_folder / "secrets"
        (secrets / "nudge").write_text("word\n")
        (secrets / "nudge").chmod(0o600)
        (self.config.data_folder / "logs").mkdir()
        (self.config.data_folder / "workflows.db").touch()
        self.config.data_folder.chmod(0o700)
        with self.database.begin() as session:
            for name, role in (
                ("root", Role.ADMINISTRATOR),
                ("karen", Role.RESPONSIBLE_RADIOLOGIST),
            ):
                people.create_account(session, name, name, [role], actor="t", language="da")
            for row in session.scalars(select(doctor.Delivery)):
                row.state = doctor.DeliveryState.SENT
        self.sql("UPDATE account SET password_hash = 'x' WHERE name = 'root'")
        self.worker("h-worker-0")
        make_backup(self.config, self.path, self.backups, "test")
        advance(self.database, self.config.data_folder)
        kept.close()

    def worker(self, name, host="h", version=gransk.__version__, kind="worker"):
        now = utcnow() + datetime.timedelta(hours=1)
        with self.database.begin() as session:
            session.add(Executor(id=name, kind=kind, host=host, pid=1, started_at=now,
                                 heartbeat_at=now))  # fmt: skip
            record(session, name, EventKind.WORKER_STARTED, name, {"version": version})

    def set(self, **sections):
        """Other values in the file; a section of None goes."""
        merged = dict(self.values)
        for key, value in sections.items():
            old = merged.get(key)
            merged[key] = {**old, **value} if isinstance(old, dict) else value
        self.path.write_text(yaml.safe_dump(merged))
        self.config = load_config(self.path)
        with self.database.begin() as session:
            record_settings(session, self.config, "test", "changed")

    def back(self):
        self.path.write_text(yaml.safe_dump(self.values))
        self.config = load_config(self.path)
        with self.database.begin() as session:
            record_settings(session, self.config, "test", "put right")

    def listen(self):
        """Another program that takes a port."""
        door = socket.socket()
        door.bind(("127.0.0.1", 0))
        door.listen()
        self.sockets.append(door)
        return door.getsockname()[1]

    def codes(self):
        return {one.seen: one for one in examine(self.path, CHECKS) if one.level is not Level.OK}

    def close(self):
        for door in self.sockets:
            door.close()
        self.server.shutdown()
        self.server.server_close()
        self.database.close()

    def stop_service(self):
        self.server.shutdown()
        self.server.server_close()

    def sql(self, *statements):
        with self.database.begin() as session:
            for statement in statements:
                session.execute(text(statement))


@pytest.fixture(scope="module")
def template(tmp_path_factory):
    """A site that was made once, to be copied."""
    folder = tmp_path_factory.mktemp("template")
    Site(folder).close()
    return folder


@pytest.fixture
def site(template, tmp_path, monkeypatch):
    monkeypatch.setattr(doctor, "applications", dict)
    shutil.copytree(template, tmp_path / "copy")
    site = Site(tmp_path / "copy")
    yield site
    site.close()


def certificate(path, days):
    """A certificate of our own that ends so many days from now, and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    ends = utcnow() + datetime.timedelta(days=days)
    made = (
        x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
        .serial_number(1).not_valid_before(ends - datetime.timedelta(days=90))
        .not_valid_after(ends)
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), False
        )
        .sign(key, hashes.SHA256())
    )  # fmt: skip
    path.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    path.with_suffix(".key").write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    path.with_suffix(".key").chmod(0o600)


def listener(port, folder=None, **values):
    tls = None
    if folder is not None:
        tls = {"certificate_file": str(folder / "c.pem"), "key_file": str(folder / "c.key")}
    sender = {"name": "ris", "addresses": ["127.0.0.1"], "application": "RIS"}
    return {"listener": {"port": port, "tls": tls, "senders": [sender], **values}}


def first_blob(site):
    store = BlobStore(site.config.blob_folder)
    with site.database.read() as session:
        return store.path(session.scalars(select(Blob.sha256)).first())


class Seeds:
    """Each puts a fault in, and gives what puts it right; None where that takes a person."""

    def folder_open(self, site):
        site.config.data_folder.chmod(0o755)
        return lambda: site.config.data_folder.chmod(0o700)

    def folder_missing(self, site):
        place, aside = site.config.data_folder, site.folder / "aside"
        place.rename(aside)
        return lambda: aside.rename(place)

    def secret_lost(self, site):
        site.config.orthanc.password_file.unlink()
        kept = chosen(site.backups) / "secrets" / "orthanc"
        return lambda: shutil.copy(kept, site.config.orthanc.password_file)

    def secret_open(self, site):
        site.config.orthanc.password_file.chmod(0o644)
        return lambda: site.config.orthanc.password_file.chmod(0o600)

    def secret_unreadable(self, site):
        site.config.orthanc.password_file.write_text("")
        return lambda: site.config.orthanc.password_file.write_text("word\n")

    def disk_low(self, site):
        site.set(intake={"min_free_disk_mb": 1 << 40})
        return site.back

    def disk_near(self, site):
        site.set(retention={"warn_free_mb": 1 << 40})
        return site.back

    def config_bad(self, site):
        site.path.write_text("langauge: da\n")
        return site.back

    def database_missing(self, site):
        site.database.close()
        place = site.config.data_folder / "gransk.db"
        for ending in ("", "-wal", "-shm"):
            Path(f"{place}{ending}").unlink(missing_ok=True)

        def follow():
            shutil.copy(chosen(site.backups) / DATABASE, place)
            (site.config.data_folder / "event_head").unlink()
            advance(site.database, site.config.data_folder)
            site.back()

        return follow

    def database_newer(self, site):
        site.sql("UPDATE alembic_version SET version_num = 'zzz'")

    def database_unreachable(self, site):
        site.set(database={"url": f"postgresql+psycopg://g@127.0.0.1:{free_port()}/g"})
        return site.back

    def queue_missing(self, site):
        (site.config.data_folder / "workflows.db").unlink()
        return (site.config.data_folder / "workflows.db").touch

    queue_missing.code = "database_missing"

    def settings_differ(self, site):
        site.path.write_text(yaml.safe_dump({**site.values, "organization": "Other"}))

        def follow():
            with site.database.begin() as session:
                record_settings(session, load_config(site.path), "test", "restarted")

        return follow

    def events_broken(self, site):
        site.sql("DROP TRIGGER event_no_update", "UPDATE event SET actor = 'e' WHERE number = 2")

    def guards_missing(self, site):
        site.sql("DROP TRIGGER event_no_update")

    def events_cut(self, site):
        anchor = site.config.data_folder / "event_head"
        anchor.write_text(f"99999 {'0' * 64}\n")

        def follow():
            anchor.unlink()
            advance(site.database, site.config.data_folder)

        return follow

    def events_unanchored(self, site):
        (site.config.data_folder / "event_head").unlink()
        return lambda: advance(site.database, site.config.data_folder)

    def administrator_missing(self, site):
        site.sql("UPDATE account SET active = 0 WHERE name = 'root'")
        return lambda: site.sql("UPDATE account SET active = 1 WHERE name = 'root'")

    def workers_none(self, site):
        site.sql("UPDATE executor SET heartbeat_at = '2020-01-01 00:00:00'")
        return lambda: site.worker("h-worker-1")

    def workers_few(self, site):
        site.set(workers={"processes": 2})
        return lambda: site.worker("h-worker-1")

    def worker_version(self, site):
        site.worker("h-worker-1", version="0.0.1")

        def follow():
            with site.database.begin() as session:
                data = {"version": gransk.__version__}
                record(session, "h", EventKind.WORKER_STARTED, "h-worker-1", data)

        return follow

    def hosts_sqlite(self, site):
        site.worker("i-worker-0", host="i")
        return lambda: site.sql("UPDATE executor SET stopped_at = started_at WHERE host = 'i'")

    def ordinary_nobody(self, site):
        site.sql("UPDATE executor SET kind = 'gpu-worker'")
        return lambda: site.sql("UPDATE executor SET kind = 'worker'")

    def dead_some(self, site):
        site.sql("UPDATE delivery SET state = 'failed'")
        return lambda: site.sql("UPDATE delivery SET state = 'waiting'")

    def service_down(self, site):
        site.stop_service()

    def service_plain(self, site):
        site.set(service={"host": "0.0.0.0", "public_url": "http://gransk.example"})
        return lambda: site.set(service={"host": "0.0.0.0", "public_url": "https://gransk.example"})

    def provider_bad(self, site):
        one = {"issuer": f"http://127.0.0.1:{free_port()}", "client_id": "g",
               "client_secret_file": "data/secrets/orthanc"}  # fmt: skip
        site.set(single_sign_on=one)
        return site.back

    def viewer_missing(self, site):
        index = site.folder / "viewer" / "index.html"
        index.unlink()
        return index.touch

    def model_hash(self, site):
        (path,) = (site.folder / "models").glob("*/*.onnx")
        content = path.read_bytes()
        path.write_bytes(content + b"0")
        return lambda: path.write_bytes(content)

    model_hash.code = "model_bad"

    def model_card(self, site):
        (path,) = (site.folder / "models").glob("*/card.yaml")
        content = path.read_text()
        path.write_text(content.replace("sha256:", "sha257:"))
        return lambda: path.write_text(content)

    model_card.code = "model_bad"

    def models_none(self, site):
        (path,) = (site.folder / "models").iterdir()
        path.rename(site.folder / "aside")
        return lambda: (site.folder / "aside").rename(path)

    def device_absent(self, site):
        site.set(models={"device": "cuda"})
        return site.back

    def destinations_none(self, site):
        site.set(destinations=[])
        return site.back

    def destination_unreachable(self, site):
        peer = Storescp(site.folder)
        one = {"name": "pacs", "kind": "dicom", "aet": "STORESCP", "host": "127.0.0.1",
               "port": peer.port, "timeout_seconds": 2}  # fmt: skip
        site.set(destinations=[*site.values["destinations"], one])

        def follow():
            peer.start()
            site.peer = peer

        return follow

    destination_unreachable.code = "destination_silent"

    def destination_plain(self, site):
        one = {"name": "far", "kind": "dicomweb", "url": "http://192.0.2.1:1",
               "timeout_seconds": 0.2}  # fmt: skip
        site.set(destinations=[*site.values["destinations"], one])
        return site.back

    def destination_untrusted(self, site):
        """A server whose certificate no known authority signed."""
        certificate(site.folder / "c.pem", 60)
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(site.folder / "c.pem", site.folder / "c.key")
        site.tls = HTTPServer(("127.0.0.1", 0), Ill)
        site.tls.socket = context.wrap_socket(site.tls.socket, server_side=True)
        threading.Thread(target=site.tls.serve_forever, daemon=True).start()
        one = {"name": "vna", "kind": "dicomweb", "timeout_seconds": 5,
               "url": f"https://127.0.0.1:{site.tls.server_port}"}  # fmt: skip
        site.set(destinations=[*site.values["destinations"], one])
        (fault,) = (found for found in site.codes().values() if found.check == "destinations")
        assert "certificate" in fault.what("en").lower()
        trusting = {**one, "tls": {"authority_file": str(site.folder / "c.pem")}}
        return lambda: site.set(destinations=[*site.values["destinations"], trusting])

    destination_untrusted.code = "destination_silent"

    def certificate_expired(self, site):
        certificate(site.folder / "c.pem", -1)
        site.set(messages=listener(site.listen(), site.folder))
        return lambda: certificate(site.folder / "c.pem", 60)

    def certificate_soon(self, site):
        certificate(site.folder / "c.pem", 9)
        site.set(messages=listener(site.listen(), site.folder))
        return lambda: certificate(site.folder / "c.pem", 60)

    def certificate_bad(self, site):
        certificate(site.folder / "c.pem", 60)
        (site.folder / "c.pem").write_text("none")
        site.set(messages=listener(site.listen(), site.folder))
        return lambda: certificate(site.folder / "c.pem", 60)

    def key_open(self, site):
        certificate(site.folder / "c.pem", 60)
        (site.folder / "c.key").chmod(0o644)
        site.set(messages=listener(site.listen(), site.folder))
        return lambda: (site.folder / "c.key").chmod(0o600)

    key_open.code = "secret_open"

    def listener_closed(self, site):
        site.set(messages=listener(free_port()))
        return lambda: site.set(messages=listener(site.listen()))

    def listener_taken(self, site):
        site.stop_service()
        site.set(messages=listener(site.listen()))
        return lambda: site.set(messages=listener(free_port()))

    def message_silent(self, site):
        one = {"name": "ris", "kind": "hl7", "host": "127.0.0.1", "port": free_port()}
        site.set(messages={"destinations": [one]})
        return lambda: site.set(messages={"destinations": [{**one, "port": site.listen()}]})

    def _webhook(self, site, **values):
        secret = site.folder / "alarms"
        secret.write_text("whsec_" + "A" * 32 + "\n")
        port = values.pop("port", None) or site.listen()
        one = {"name": "it", "url": f"http://127.0.0.1:{port}/a", "secret_file": str(secret)}
        site.set(monitoring={"webhooks": [{**one, **values}]})

    def alarm_secret(self, site):
        self._webhook(site, secret_file=str(site.folder / "nothing"))
        return lambda: self._webhook(site)

    def alarm_silent(self, site):
        self._webhook(site, port=free_port())
        return lambda: self._webhook(site)

    alarm_silent.code = "message_silent"

    def alarm_certificate(self, site):
        certificate(site.folder / "c.pem", 9)
        tls = {"certificate_file": str(site.folder / "c.pem"),
               "key_file": str(site.folder / "c.key")}  # fmt: skip
        self._webhook(site, tls=tls)
        return lambda: certificate(site.folder / "c.pem", 60)

    alarm_certificate.code = "certificate_soon"

    def reader_unknown(self, site):
        site.set(messages=listener(site.listen(), readers={"AB12": "anna"}))
        return lambda: site.set(messages=listener(site.listen(), readers={"AB12": "karen"}))

    def unit_nobody(self, site):
        site.sql("UPDATE account SET active = 0 WHERE name = 'karen'")
        site.set(reading={"units": [{"name": "north", "title": "North"}]})
        return lambda: site.sql("UPDATE account SET active = 1 WHERE name = 'karen'")

    def unit_unknown(self, site):
        unit = {"name": "north", "title": "North", "responsible": ["karin", "karen"]}
        site.set(reading={"units": [unit]})
        return lambda: site.set(reading={"units": [{**unit, "responsible": ["karen"]}]})

    def system_unknown(self, site):
        site.set(reading={"systems": ["ris"]})

        def follow():
            with site.database.begin() as session:
                machines.create_token(session, "ris", actor="test")

        return follow

    def backup_never(self, site):
        site.sql("DROP TRIGGER event_no_update",
                 "UPDATE event SET kind = 'sweep_done' WHERE kind = 'backup_made'")  # fmt: skip
        return lambda: make_backup(site.config, site.path, site.backups, "test")

    def backup_old(self, site):
        old = "UPDATE event SET at = '2020-01-01 00:00:00' WHERE kind = 'backup_made'"
        site.sql("DROP TRIGGER event_no_update", old)
        return lambda: make_backup(site.config, site.path, site.backups, "test")

    def objects_missing(self, site):
        path = first_blob(site)
        path.unlink()
        kept = site.backups / "blobs" / path.parent.name / path.name
        return lambda: shutil.copy(kept, path)

    def restore_half(self, site):
        (site.config.data_folder / RESTORING).write_text("0" * 64)
        return (site.config.data_folder / RESTORING).unlink

    def logs_readonly(self, site):
        logs = site.config.data_folder / "logs"
        logs.rmdir()
        logs.touch()

        def follow():
            logs.unlink()
            logs.mkdir()

        return follow

    def files_few(self, site):
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(512, soft), hard))
        return lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))

    def zone_utc(self, site):
        site.set(time_zone=None)
        return site.back


NAMES = [name for name in vars(Seeds) if not name.startswith("_")]
CONSEQUENCES = {"database_missing": {"backup_never"},
                "backup_never": {"events_broken", "guards_missing"},
                "backup_old": {"events_broken", "guards_missing"},
                "listener_taken": {"service_down"}}  # fmt: skip
"""What the way of seeding itself breaks, and no remedy here mends."""


def test_a_whole_site_has_nothing_wrong(site):
    assert site.codes() == {}


def test_there_are_enough_faults():
    assert len(NAMES) >= 40


LONG = {
    "folder_open", "secret_open", "secret_unreadable", "disk_low", "config_bad", "database_newer",
    "queue_missing", "settings_differ", "events_unanchored", "workers_none", "workers_few",
    "dead_some", "service_down", "service_plain", "model_card", "models_none", "destinations_none",
    "destination_plain", "certificate_soon", "certificate_bad", "key_open", "message_silent",
    "unit_nobody", "backup_old", "database_unreachable", "events_broken", "viewer_missing",
}  # fmt: skip
"""Seen by shorter tests too, or by one here that is much alike."""
TRIED = [pytest.param(name, marks=pytest.mark.full if name in LONG else ()) for name in NAMES]


@pytest.mark.parametrize("name", TRIED)
def test_each_fault_is_found_and_its_remedy_mends_it(site, name, monkeypatch):
    if name == "zone_utc":
        monkeypatch.setenv("TZ", "UTC")
        doctor_machine.time.tzset()
    seed = getattr(Seeds, name)
    code = getattr(seed, "code", name)
    follow = seed(Seeds(), site)
    found = site.codes()
    assert code in found, f"found {sorted(found)}"
    for language in ("en", "da"):
        assert found[code].what(language)
        assert found[code].remedy(language)
    if follow is None:
        return
    follow()
    try:
        assert set(site.codes()) - CONSEQUENCES.get(name, set()) == set()
    finally:
        if hasattr(site, "peer"):
            site.peer.kill()
        if hasattr(site, "tls"):
            site.tls.shutdown()
            site.tls.server_close()


def test_what_the_pages_changed_is_looked_at(site, monkeypatch):
    """The file says nothing of a limit of room and of a system; the version in force does."""
    monkeypatch.setattr(doctor_settings, "applications", dict)
    system = {"name": "ris", "kind": "hl7", "host": "127.0.0.1", "port": free_port()}
    sections = {"retention": {"warn_free_mb": 1 << 40}, "messages": {"destinations": [system]}}
    site.set(**sections)
    site.path.write_text(yaml.safe_dump(site.values))
    found = CliRunner().invoke(app, ["doctor", "--json", "--config", str(site.path)])
    codes = {one["code"] for one in json.loads(found.stdout)["checks"]}
    assert codes >= {"disk_near", "message_silent"}


def test_names_of_files_in_ascii(site):
    """Seen from a process of its own, as the locale counts from its start."""
    site.path.write_text(yaml.safe_dump(site.values))
    environment = {**os.environ, "LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    code = (
        "import json; from gransk.oversight.doctor_machine import check_limits;"
        "print(json.dumps([one.seen for one in check_limits(None)]))"
    )
    ended = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True
    )
    assert "encoding_wrong" in json.loads(ended.stdout)


def test_work_that_wants_a_gpu_and_no_worker_of_such_a_host(site):
    workers = site.config.workers.model_copy(update={"gpu_applications": ("nodule",)})
    config = site.config.model_copy(update={"workers": workers})

    def told():
        return {one.seen: one for one in check_site(config)}

    assert "nodule" in told()["gpu_nobody"].what("en")
    assert told()["gpu_nobody"].remedy("da")
    site.worker("j-gpu-worker-0", kind="gpu-worker")
    assert "gpu_nobody" not in told()
