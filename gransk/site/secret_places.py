"""Where files lie that settings may name when they come from a page or by REST.

Who works on pages may not read the machine's files; a destination that signs in with any file as
its password would send that file away. Who edits the machine's own file, or works at its command
line, reads them anyway and is not bound.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from gransk.site.site_keys import Host

ENDING = "_file"
MOUNTED = Path("/run/secrets")
"""Where containers have their secrets."""
CREDENTIALS = "CREDENTIALS_DIRECTORY"
"""Where systemd puts a unit's credentials (systemd.exec, LoadCredential)."""


def places(host: Host) -> tuple[Path, ...]:
    """The folder of the machine's configuration, and those that are for secrets alone."""
    found = [host.folder, host.config.data_folder / "secrets", MOUNTED]
    given = os.environ.get(CREDENTIALS)
    return tuple(one.resolve() for one in (*found, *([Path(given)] if given else [])))


def elsewhere(host: Host, content: Mapping[str, Any], before: Mapping[str, Any]) -> tuple[str, ...]:
    """Files that settings name, that those before did not, and that lie at none of the places."""
    allowed, known = places(host), set(_named(before))
    return tuple(
        sorted(
            name
            for name in set(_named(content)) - known
            if not any((host.folder / name).resolve().is_relative_to(one) for one in allowed)
        )
    )


def _named(value: Any) -> Iterator[str]:
    if isinstance(value, Mapping):
        for key, inner in value.items():
            if str(key).endswith(ENDING) and isinstance(inner, str):
                yield inner
            else:
                yield from _named(inner)
    elif isinstance(value, list | tuple):
        for inner in value:
            yield from _named(inner)
