"""The part of the configuration about patients' identities that change."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from gransk.site.config_types import Number, Section


class IdentitySection(Section):
    """What follows where a patient administration corrects, merges or renames a patient.

    ``images``: ``leave`` waits until the archive's images say it, ``correct`` changes the images
    in our own Orthanc. ``keep_days``: how long what was said counts for images that come later.
    ``authorities``: from an assigning authority as messages name it (PID-3.4) to the issuer that
    images name; where any is given, identifiers of others are passed over.
    """

    images: Literal["leave", "correct"] = "leave"
    keep_days: Number = Field(default=365, gt=0, le=36500)
    authorities: dict[str, str] = Field(default_factory=dict)
