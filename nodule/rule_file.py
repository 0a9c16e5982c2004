"""Rules as data: one reader for every kind of YAML file."""

from __future__ import annotations

from pathlib import Path
from typing import TypeVar

import yaml
from pydantic import BaseModel, ValidationError

from gransk.core.errors import ConfigurationError

Rules = TypeVar("Rules", bound=BaseModel)


def read_rules(kind: type[Rules], path: Path) -> Rules:
    """What a YAML file holds, checked.

    Raises
    ------
    ConfigurationError
        Where the file cannot be read or is not of the kind; the message says which key.
    """
    try:
        return kind.model_validate(yaml.safe_load(path.read_text(encoding="utf-8")))
    except (OSError, UnicodeDecodeError, yaml.YAMLError, ValidationError) as error:
        raise ConfigurationError(f"{path.name}: {error}") from error
