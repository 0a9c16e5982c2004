"""One machine as deploy/ sets it up: the units' own commands as another user, behind nginx."""

from __future__ import annotations

import configparser
import os
import pwd
import re
import shutil
import signal
import ssl
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import httpx
import pytest
import trustme
import yaml
from free_ports import free_port
from harness_orthanc import store_scu
from radiographs import radiograph, save
from sqlalchemy import select
from websockets.sync.client import connect

from gransk.archive.orthanc import ArchiveError, Orthanc
from gransk.core.reasons import Reason
from gransk.results.tables import Workitem
from gransk.site import people
from gransk.site.config import load_config
from gransk.site.database import Database
from gransk.site.machines import create_token
from gransk.site.tables import Role

ROOT = Path(__file__).parents[2]
UNITS = sorted((ROOT / "deploy" / "systemd").glob("gransk*"))
NGINX = ROOT / "deploy" / "nginx"
PROGRAM = "/opt/gransk/.venv/bin/gransk"
USER = "nobody"
# It may read the interpreter and the repository wherever they lie, and write nothing but its own.
READS = "+dac_read_search"
AS_USER = (
    ["setpriv", "--reuid", USER, "--regid", "nogroup", "--clear-groups",
     "--inh-caps", READS, "--ambient-caps", READS, "--"]
    if os.geteuid() == 0
    else []
)  # fmt: skip


def unit(name):
    parser = configparser.ConfigParser(strict=False, interpolation=None)
    parser.optionxform = str
    parser.read(ROOT / "deploy" / "systemd" / name)
    return parser


def until(holds, what, log=lambda: "", seconds=120):
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, f"waited for {what}\n{log()}"
        time.sleep(0.2)


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd is not installed")
def test_systemd_finds_nothing_wrong(tmp_path):
    """Every unit with the others beside it; the program is put where it is here."""
    here = tmp_path / "gransk"
    here.write_text("#!/bin/sh\n")
    here.chmod(0o755)
    for path in UNITS:
        (tmp_path / path.name).write_text(path.read_text().replace(PROGRAM, str(here)))
    names = [path.name.replace("@.", "@0.") for path in UNITS]
    found = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", *(str(tmp_path / name) for name in names)],
        env={**os.environ, "SYSTEMD_UNIT_PATH": f"{tmp_path}:"},
        capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip
    about = [line for line in found.stderr.splitlines() if "gransk" in line]
    assert found.returncode == 0, found.stderr
    assert not about


def test_every_service_is_shut_in():
    for path in UNITS:
        if path.suffix != ".service":
            continue
        service = unit(path.name)["Service"]
        assert service["User"] == "gransk"
        assert service["ProtectSystem"] == "strict"
        assert service["NoNewPrivileges"] == "yes"
        assert service["CapabilityBoundingSet"] == ""
        assert service["StateDirectory"] == "gransk"
        assert service["Environment"] == "GRANSK_CONFIG=/etc/gransk/gransk.yaml"


def test_the_nightly_backup_thins_what_it_made():
    *command, keep, count = unit("gransk-backup.service")["Service"]["ExecStart"].split()
    assert command == [PROGRAM, "backup", "/var/backups/gransk"]
    assert (keep, int(count)) == ("--keep", 14)


class Machine:
    """The services' ``ExecStart`` as another user, and nginx, in folders of their own."""

    def __init__(self, folder):
        self.folder = folder
        self.started = {}
        self.port, plain = free_port(), free_port()
        values = {
            "data_folder": str(folder / "data"),
            "orthanc": {"url": f"http://127.0.0.1:{free_port()}", "dicom_port": free_port()},
            "service": {"port": free_port(), "public_url": f"https://localhost:{self.port}"},
            "intake": {"quiet_seconds": 0.3, "poll_seconds": 0.2, "min_free_disk_mb": 1},
        }
        self.file = folder / "gransk.yaml"
        self.file.write_text(yaml.safe_dump(values))
        self.config = load_config(self.file)
        shutil.copy(ROOT / "orthanc_config" / "orthanc.json", folder)
        authority = trustme.CA()
        self.trust = ssl.create_default_context()
        authority.configure_trust(self.trust)
        certificate = authority.issue_cert("localhost")
        certificate.cert_chain_pems[0].write_to_path(folder / "gransk.crt")
        certificate.private_key_pem.write_to_path(folder / "gransk.key")
        self._nginx(plain)

    def _nginx(self, plain):
        text = (NGINX / "gransk.conf").read_text()
        for found, wanted in (
            ("listen 443 ", f"listen 127.0.0.1:{self.port} "),
            ("listen 80;", f"listen 127.0.0.1:{plain};"),
            ("127.0.0.1:8600", f"127.0.0.1:{self.config.service.port}"),
            ("/etc/gransk/tls/", f"{self.folder}/"),
            ("/var/log/nginx/", f"{self.folder}/"),
        ):
            assert found in text
            text = text.replace(found, wanted)
        (self.folder / "gransk.conf").write_text(text)
        kinds = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
        scratch = "\n".join(f"{kind}_temp_path {self.folder}/{kind};" for kind in kinds)
        self.nginx = self.folder / "nginx.conf"
        self.nginx.write_text(
            f"daemon off; pid {self.folder}/nginx.pid; error_log {self.folder}/nginx.log;\n"
            f"events {{}}\nhttp {{ {scratch} include {self.folder}/gransk.conf; }}\n"
        )

    def start(self, name, command):
        known = {
            "GRANSK_CONFIG": str(self.file),
            "PYTHONPATH": str(ROOT),
            "PATH": os.environ["PATH"],
        }
        with (self.folder / f"{name}.out").open("ab") as log:
            self.started[name] = subprocess.Popen(
                [*AS_USER, *command], env=known, cwd=self.folder, stdin=subprocess.DEVNULL,
                stdout=log, stderr=log, umask=0o077, start_new_session=True,
            )  # fmt: skip

    def start_unit(self, name):
        command = unit(name)["Service"]["ExecStart"].replace("%i", "0").split()
        assert command[0] == PROGRAM
        self.start(name, [sys.executable, "-m", "gransk.cli.main", *command[1:]])

    def log(self):
        return "\n".join(path.read_text()[-2000:] for path in self.folder.glob("*.out"))

    def stop(self):
        """SIGTERM to each, the last first; how each ended."""
        codes = {}
        for name, process in reversed(self.started.items()):
            process.send_signal(signal.SIGTERM)
            try:
                codes[name] = process.wait(30)
            except subprocess.TimeoutExpired:
                process.kill()
                codes[name] = process.wait()
        self.started.clear()
        return codes

    def orthanc_answers(self):
        try:
            client = Orthanc(self.config.orthanc)
            client.system()
        except (ArchiveError, OSError):
            return False
        client.close()
        return True

    def client(self):
        return httpx.Client(
            base_url=f"https://localhost:{self.port}", verify=self.trust, trust_env=False
        )

    def answers(self):
        """Does the service answer through nginx, whatever it says?"""
        try:
            with self.client() as client:
                return client.get("/api/health").status_code < 500
        except httpx.TransportError:
            return False


@pytest.fixture
def machine():
    folder = Path(tempfile.mkdtemp(prefix="gransk-machine-"))
    made = Machine(folder)
    if os.geteuid() == 0:
        who = pwd.getpwnam(USER)
        for path in (folder, *folder.iterdir()):
            os.chown(path, who.pw_uid, who.pw_gid)
    yield made
    made.stop()
    shutil.rmtree(folder, ignore_errors=True)


@pytest.mark.system
@pytest.mark.skipif(shutil.which("nginx") is None, reason="nginx is not installed")
@pytest.mark.timeout(600)
def test_the_units_commands_behind_nginx(machine, tmp_path):
    command = [*AS_USER, "nginx", "-t", "-c", str(machine.nginx)]
    checked = subprocess.run(command, capture_output=True, text=True, check=False)
    assert checked.returncode == 0, checked.stderr
    machine.start_unit("gransk-orthanc.service")
    until(lambda: machine.config.orthanc.password_file.exists(), "Orthanc's password")
    until(machine.orthanc_answers, "Orthanc")
    machine.start_unit("gransk-serve.service")
    machine.start("nginx", ["nginx", "-c", str(machine.nginx)])
    until(machine.answers, "the service", machine.log)

    with machine.client() as client:
        # Nobody but this machine itself before there is an administrator; nginx is not it.
        assert client.get("/sign-in").status_code == 403
        database = Database(machine.config.database.url)
        with database.begin() as session:
            people.create_account(
                session, "anna", "Anna", [Role.ADMINISTRATOR],
                password="a long enough pass phrase",
            )  # fmt: skip
            token = create_token(session, "ws1", actor="test")
        page = client.get("/sign-in")
        assert page.status_code == 200
        assert page.headers.get_list("strict-transport-security") == ["max-age=31536000"]
        assert page.headers.get_list("x-frame-options") == ["DENY"]
        assert "nginx/" not in page.headers["server"]
        assert client.post("/nudge").status_code == 404

        machine_token = {"authorization": f"Bearer {token}"}
        large = b"0" * (8 << 20)
        refused = client.post("/dicom-web/studies", content=large, headers=machine_token)
        assert refused.status_code != 413, "nginx's own limit"
        place = "/dicom-web/workitems/1.2.840.10008.5.1.4.34.5/subscribers/WS1"
        subscribed = client.post(place, headers=machine_token)
        assert subscribed.status_code == 201, subscribed.text
        with connect(
            subscribed.headers["content-location"], ssl=machine.trust,
            additional_headers=machine_token, proxy=None,
        ) as socket:  # fmt: skip
            socket.ping().wait(10)

    machine.start_unit("gransk-worker@.service")
    until(lambda: "is ready" in machine.log(), "the worker", machine.log)
    image = save(radiograph(1), tmp_path / "1.dcm")
    assert store_scu(machine.config, [image]) == [0]

    def ended():
        with database.read() as session:
            return [item.reason for item in session.scalars(select(Workitem))]

    until(lambda: ended() == [Reason.NO_APPLICATION], "the study to be judged", machine.log)
    database.close()
    if os.geteuid() == 0:
        mine = {path.owner() for path in (machine.folder / "data").rglob("*")}
        assert mine == {USER}
    logged = (machine.folder / "access.log").read_text()
    assert re.search(r'"GET /sign-in" 200', logged)
    assert set(machine.stop().values()) == {0}, machine.log()


@pytest.mark.skipif(shutil.which("nginx") is None, reason="nginx is not installed")
def test_nginx_takes_the_archive_s_door(tmp_path):
    certificate = trustme.CA().issue_cert("archive")
    certificate.cert_chain_pems[0].write_to_path(tmp_path / "gransk.crt")
    certificate.private_key_pem.write_to_path(tmp_path / "gransk.key")
    text = (NGINX / "gransk-archive.conf").read_text()
    text = text.replace("/etc/gransk/tls/", f"{tmp_path}/").replace(
        "/var/log/nginx/", f"{tmp_path}/"
    )
    (tmp_path / "archive.conf").write_text(text)
    whole = tmp_path / "nginx.conf"
    whole.write_text(
        f"pid {tmp_path}/pid; error_log {tmp_path}/log; events {{}} "
        f"http {{ include {tmp_path}/archive.conf; }}"
    )
    checked = subprocess.run(
        ["nginx", "-t", "-c", str(whole)], capture_output=True, text=True, check=False
    )
    assert checked.returncode == 0, checked.stderr
