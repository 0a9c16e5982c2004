"""The containers' files: what they name is there, no password stands in them, few doors open."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml
from sqlalchemy import make_url

from gransk.cli.main import COMMANDS
from gransk.core.application import applications
from gransk.site.config import check_applications, parse_config

ROOT = Path(__file__).parents[2]
DOCKER = ROOT / "deploy" / "docker"
COMPOSE = yaml.safe_load((DOCKER / "compose.yaml").read_text())
MADE = {"secrets", "tls"}
"""Folders beside compose.yaml that a site makes."""
BACKUPS = "/var/backups/gransk"
DEBIAN_12 = 15
"""The major version of PostgreSQL in it."""


def test_the_configuration_of_the_containers_is_good():
    path = DOCKER / "gransk.yaml"
    config = parse_config(path.read_text(), path)
    check_applications(config, applications())
    host = "postgresql+psycopg://gransk@postgresql/"
    assert config.database.url == f"{host}gransk"
    assert config.database.workflows_url == f"{host}workflows"
    assert config.service.public_url.startswith("https://")
    volumes = COMPOSE["x-gransk"]["volumes"]
    assert f"data:{config.data_folder}" in volumes
    (ports,) = [one["ports"] for one in COMPOSE["services"].values() if "ports" in one]
    assert sorted(ports) == sorted(["80:80", "443:443", f"{config.orthanc.dicom_port}:11112"])


def test_what_the_containers_are_given_is_there():
    for name, service in COMPOSE["services"].items():
        for volume in service.get("volumes", ()):
            source = volume.split(":")[0]
            if source.startswith("."):
                place = (DOCKER / source).resolve()
                assert place.exists() or place.name in MADE, f"{name}: {source}"
            elif source != BACKUPS:
                assert source in COMPOSE["volumes"]
        for secret in service.get("secrets", ()):
            assert secret in COMPOSE["secrets"]
        if service.get("image") == "gransk":
            assert name == "doors" or service["command"][0] in COMMANDS
            assert service["read_only"]
            assert service["cap_drop"] == ["ALL"]


def test_no_door_stands_open_and_no_password_is_written():
    services = COMPOSE["services"]
    assert {name for name, one in services.items() if "ports" in one} == {"doors"}
    assert services["postgresql"]["networks"] == ["inside"]
    assert COMPOSE["networks"]["inside"] == {"internal": True}
    for name, service in services.items():
        said = [key for key in service.get("environment", {}) if "PASSWORD" in key]
        assert all(key.endswith("_FILE") for key in said), name
    database = yaml.safe_load((DOCKER / "gransk.yaml").read_text())["database"]
    assert [make_url(url).password for url in database.values()] == [None, None]


def test_what_starts_again_by_itself_takes_no_network_from_others():
    services = COMPOSE["services"]
    shared = {one["network_mode"] for one in services.values() if "network_mode" in one}
    assert shared == {"service:doors"}
    assert services["doors"]["entrypoint"] == ["sleep", "infinity"]


def test_a_backup_can_be_made_in_a_container():
    backup = COMPOSE["services"]["backup"]
    assert backup["command"] == ["backup", BACKUPS, "--keep", "14"]
    given = set(COMPOSE["x-gransk"]["volumes"])
    assert set(backup["volumes"]) == {*given, f"{BACKUPS}:{BACKUPS}"}
    assert backup["networks"] == COMPOSE["services"]["postgresql"]["networks"]
    assert (backup["profiles"], backup["restart"]) == (["backup"], "no"), "it starts by itself"
    image = (DOCKER / "Dockerfile").read_text().rpartition("FROM debian:12-slim")[2]
    assert "postgresql-client" in image
    server = re.fullmatch(r"postgres:(\d+)-bookworm", COMPOSE["services"]["postgresql"]["image"])
    assert int(server[1]) <= DEBIAN_12, "pg_dump takes no newer server than itself"


def test_logs_of_containers_do_not_grow_for_ever():
    for name, service in COMPOSE["services"].items():
        assert set(service["logging"]["options"]) == {"max-size", "max-file"}, name
    text = (ROOT / "deploy" / "nginx" / "gransk.conf").read_text()
    logs = re.findall(r"(?m)^ *(?:access|error)_log (/\S+)", text)
    # Those that nginx's image has as links to its standard output and standard error.
    assert logs == ["/var/log/nginx/access.log", "/var/log/nginx/error.log"]


def test_a_new_container_is_the_same_host():
    assert COMPOSE["services"]["doors"]["hostname"] == "gransk"
    # Docker gives the others the name of the one whose namespace they share, and takes no other.
    assert [name for name, one in COMPOSE["services"].items() if "hostname" in one] == ["doors"]


def test_the_passwords_are_made_once_and_are_one(tmp_path):
    shutil.copy(DOCKER / "secrets.sh", tmp_path)
    if os.geteuid() != 0:
        pytest.skip("only root gives files to the containers' users")
    subprocess.run(["sh", tmp_path / "secrets.sh"], check=True)
    password = (tmp_path / "secrets" / "postgresql_password").read_text()
    pgpass = tmp_path / "secrets" / "pgpass"
    assert re.fullmatch("[0-9a-f]{48}", password)
    assert pgpass.read_text() == f"postgresql:5432:*:gransk:{password}\n"
    assert (pgpass.stat().st_mode & 0o777, pgpass.stat().st_uid) == (0o600, 10001)
    again = subprocess.run(["sh", tmp_path / "secrets.sh"], capture_output=True, check=False)
    assert again.returncode == 1


def test_the_image_is_made_as_said():
    text = (DOCKER / "Dockerfile").read_text()
    assert re.findall(r"(?m)^FROM (\S+)", text) == ["debian:12-slim"] * 2
    assert re.findall(r"(?m)^USER (\S+)", text) == ["10001:10001"]
    for line in re.findall(r"apt-get install[^&]*", text):
        assert "--no-install-recommends" in line
    assert ":latest" not in (DOCKER / "compose.yaml").read_text()


def compose_command():
    for command in (["docker", "compose"], ["docker-compose"]):
        try:
            subprocess.run([*command, "version"], check=True, capture_output=True, timeout=30)
        except (OSError, subprocess.CalledProcessError):
            continue
        return command
    return None


def test_compose_understands_its_file(tmp_path):
    command = compose_command()
    if command is None:
        pytest.skip("Docker Compose is not installed")
    shutil.copytree(ROOT / "deploy", tmp_path / "deploy")
    shutil.copytree(ROOT / "orthanc_config", tmp_path / "orthanc_config")
    checked = subprocess.run(
        [*command, "config", "--quiet"], cwd=tmp_path / "deploy" / "docker",
        capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip
    assert checked.returncode == 0, checked.stderr
