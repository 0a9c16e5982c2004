"""Parts of the configuration that stand in files of their own."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from gransk.core.errors import ConfigurationError
from gransk.site.faults import read_yaml

SECTIONS = ("applications", "messages")
"""Keys of the configuration within which files may be named."""


def with_files(values: Mapping[Any, Any], folder: Path, where: str) -> dict[Any, Any]:
    """Settings with what stands in files of their own, ``key: {file: NAME}``, put in.

    So what a file says is part of the configuration's version and of analysis keys.

    Parameters
    ----------
    values : mapping
    folder : Path
        From which relative names count.
    where : str
        Names the settings in errors.

    Raises
    ------
    ConfigurationError
        Where a file cannot be read or is no YAML.
    """
    found: dict[Any, Any] = {}
    for key, value in values.items():
        here = f"{where}.{key}"
        if isinstance(value, Mapping) and set(value) == {"file"}:
            found[key] = _file(value["file"], folder, here)
        elif isinstance(value, Mapping):
            found[key] = with_files(value, folder, here)
        else:
            found[key] = value
    return found


def named_file(values: Any, where: str) -> str | None:
    """The first key under which a file is named instead of settings; None where none is."""
    if not isinstance(values, Mapping):
        return None
    if set(values) == {"file"}:
        return f"{where}.file"
    found = (named_file(value, f"{where}.{key}") for key, value in values.items())
    return next((key for key in found if key is not None), None)


def _file(name: Any, folder: Path, where: str) -> Any:
    if not isinstance(name, str) or not name:
        raise ConfigurationError(f"{where}.file: got {name!r}, wants the name of a YAML file")
    try:
        text = (folder / Path(name).expanduser()).read_text(encoding="utf-8")
    except (OSError, RuntimeError, ValueError) as error:
        why = getattr(error, "strerror", None) or type(error).__name__
        raise ConfigurationError(
            f"{where}.file: {name} cannot be read ({why}); wants a YAML file that is readable"
        ) from error
    return read_yaml(text, f"{where}.file: {name}")
