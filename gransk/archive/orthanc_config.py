"""Orthanc's configuration, from the site's part of it and from ours."""

from __future__ import annotations

import json
import os
import re
import secrets
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from gransk.core.errors import ConfigurationError
from gransk.site.config import Config
from gransk.site.config_destinations import Marks, marked

PLUGIN_FOLDERS = (
    Path("/usr/share/orthanc/plugins"),
    Path("/usr/local/share/orthanc/plugins"),
    Path("/usr/lib/orthanc"),
)
PLUGINS = ("libOrthancPython.so", "libOrthancDicomWeb.so")
_ROOT = Path(__file__).resolve().parents[2]
LOOPBACK_AET = "GRANSK"
"""AE title under which this machine itself may store, for demonstrations and tests."""
TEMPLATE = _ROOT / "orthanc_config" / "orthanc.json"
SCRIPT = _ROOT / "plugins" / "gransk_plugin.py"

_LOOPBACK = {
    "AET": LOOPBACK_AET,
    "Host": "127.0.0.1",
    "Port": 104,
    "AllowEcho": True,
    "AllowStore": True,
    "AllowFind": False,
    "AllowMove": False,
    "AllowGet": False,
}


def render(config: Config, folder: Path, template: Path = TEMPLATE) -> Path:
    """Write the configuration that Orthanc is started with.

    Makes the secrets of ``orthanc.password_file`` and
    ``service.nudge_secret_file`` where they are missing.

    Parameters
    ----------
    config : Config
    folder : Path
        Receives ``orthanc.json`` and holds Orthanc's storage.
    template : Path
        The site's part: JSON with ``//`` comments.

    Raises
    ------
    ConfigurationError
        Where the template is unreadable or sets what is ours to set, or a
        plugin is not installed.
    """
    site = read_template(template)
    ours = _ours(config, folder)
    if taken := sorted(set(site) & set(ours)):
        raise ConfigurationError(
            f"{template}: {', '.join(taken)}: set by Gransk; remove from this file"
        )
    dicomweb = {**site.get("DicomWeb", {}), "Root": config.orthanc.dicomweb_root + "/"}
    modalities = {
        "gransk": _LOOPBACK,
        **_prior_archives(config),
        **site.get("DicomModalities", {}),
    }
    whole = {**site, **ours, "DicomWeb": dicomweb, "DicomModalities": modalities}
    if found := marked(config.destinations):
        whole["UserMetadata"] = _with_marks(site.get("UserMetadata", {}), found[1], template)
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    path = folder / "orthanc.json"
    _write_private(path, json.dumps(whole, indent=2, ensure_ascii=False))
    return path


def read_template(path: Path) -> dict[str, Any]:
    """The site's part of Orthanc's configuration.

    Raises
    ------
    ConfigurationError
        Names file, line and column where it is no JSON object.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"{path}: cannot be read: {error}") from error
    try:
        values = json.loads(_without_comments(text))
    except json.JSONDecodeError as error:
        raise ConfigurationError(
            f"{path}: line {error.lineno}, column {error.colno}: {error.msg}; wants JSON"
        ) from error
    if not isinstance(values, dict):
        raise ConfigurationError(f"{path}: got {type(values).__name__}, wants an object")
    return values


def ensure_secret(path: Path) -> str:
    """Read a secret from its file, or make one that only this user can read."""
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        _write_private(path, secrets.token_urlsafe(32) + "\n")
    return path.read_text(encoding="utf-8").strip()


def _ours(config: Config, folder: Path) -> dict[str, Any]:
    url = urlsplit(config.orthanc.url)
    ensure_secret(config.orthanc.password_file)
    ensure_secret(config.service.nudge_secret_file)
    storage = str(folder / "storage")
    return {
        "HttpServerEnabled": True,
        "HttpPort": url.port or 80,
        "DicomServerEnabled": True,
        "DicomPort": config.orthanc.dicom_port,
        "DicomAet": config.orthanc.aet,
        "RemoteAccessAllowed": False,
        "AuthenticationEnabled": True,
        "RegisteredUsers": {config.orthanc.username: config.orthanc.password()},
        "StorageDirectory": storage,
        "IndexDirectory": storage,
        "ExecuteLuaEnabled": False,
        "RestApiWriteToFileSystemEnabled": False,
        "OverwriteInstances": True,
        "StoreMD5ForAttachments": True,
        "Plugins": [str(plugin) for plugin in plugins()],
        "PythonScript": str(SCRIPT),
        "Gransk": {
            "NudgeUrl": f"http://127.0.0.1:{config.service.port}/nudge",
            "NudgeSecretFile": str(config.service.nudge_secret_file),
        },
    }


def _prior_archives(config: Config) -> dict[str, Any]:
    """The archives that send us earlier studies when we ask; they may do nothing else."""
    return {
        archive.name: _LOOPBACK | {"AET": archive.aet, "Host": archive.host, "Port": archive.port}
        for archive in config.priors.archives
        if archive.kind == "dimse"
    }


def _with_marks(named: Mapping[str, Any], marks: Marks, template: Path) -> dict[str, Any]:
    """The site's user-defined metadata and ours, which no other may share.

    Raises
    ------
    ConfigurationError
        Where the site's part gives the name or the number to something else.
    """
    taken = {str(name).lower(): number for name, number in named.items()}
    number = taken.pop(marks.name.lower(), marks.metadata)
    if number != marks.metadata or marks.metadata in taken.values():
        raise ConfigurationError(
            f"{template}: UserMetadata: {marks.name} and {marks.metadata} are for Gransk's marks; "
            "choose others here, or in destinations.marks"
        )
    return {**named, marks.name: marks.metadata}


def plugins() -> list[Path]:
    """The installed Orthanc plugins that we need.

    Raises
    ------
    ConfigurationError
        Where one is not installed.
    """
    found = []
    for name in PLUGINS:
        places = [folder / name for folder in PLUGIN_FOLDERS if (folder / name).exists()]
        if not places:
            raise ConfigurationError(
                f"Orthanc's plugin {name} is not in {', '.join(map(str, PLUGIN_FOLDERS))}; "
                "install orthanc-python and orthanc-dicomweb"
            )
        found.append(places[0])
    return found


def _write_private(path: Path, text: str) -> None:
    """Write a file that was never readable by others, whole or not at all."""
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    draft.unlink(missing_ok=True)
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)
    draft.replace(path)


_TOKEN = re.compile(r'"(?:\\.|[^"\\])*"|//[^\n]*|/\*.*?\*/', re.DOTALL)


def _without_comments(text: str) -> str:
    """JSON without its comments; lines stay where they were."""

    def keep(match: re.Match[str]) -> str:
        token = match.group()
        return token if token.startswith('"') else "\n" * token.count("\n")

    return _TOKEN.sub(keep, text)


def check_template(values: Mapping[str, Any]) -> list[str]:
    """What of a site's part leaves a door open; one sentence each."""
    open_doors = []
    for key in ("Store", "Find", "Get", "Move"):
        if values.get(f"DicomAlwaysAllow{key}", key == "Store"):
            open_doors.append(
                f"DicomAlwaysAllow{key} is true: any machine on the network may do so"
            )
    if not values.get("DicomCheckModalityHost", False) and not values.get("DicomTlsEnabled", False):
        open_doors.append(
            "DicomCheckModalityHost and DicomTlsEnabled are false: an AE title alone opens the door"
        )
    return open_doors
