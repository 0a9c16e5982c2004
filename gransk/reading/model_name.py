"""One name of what gave a score: application, its version, and its models."""

from __future__ import annotations

from collections.abc import Mapping

from gransk.core.keys import digest
from gransk.reading.past import LONGEST_KEY

SHOWN = 8
"""Letters of a model's SHA-256 that stand in the name."""


def model_name(application: str, version: str, models: Mapping[str, str]) -> str:
    """The one name under which scores are counted together.

    Two opinions have the same name where application, version and every model's SHA-256 are
    equal. It reads ``mammo 1.0 calc@1a2b3c4d mass@5e6f7a8b``, models in order of their ids; where
    that is too long for a key, one digest stands for the models.

    Parameters
    ----------
    application, version : str
    models : mapping of str to str
        SHA-256 of each model by its id, as an opinion is sealed with them; without one there is
        no name.
    """
    if not models:
        return ""
    about = f"{application} {version}".strip()
    named = " ".join(f"{name}@{models[name][:SHOWN]}" for name in sorted(models))
    if len(about) + 1 + len(named) > LONGEST_KEY:
        named = f"models@{digest(dict(sorted(models.items())))[: 2 * SHOWN]}"
    return f"{about} {named}"[:LONGEST_KEY]
