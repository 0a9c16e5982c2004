"""The part of the configuration about storage commitment: our door, and how long we wait."""

from __future__ import annotations

from pydantic import Field

from gransk.site.config_messages import TlsServer
from gransk.site.config_types import AeTitle, Number, Port, Section


class CommitmentSection(Section):
    """Where answers to storage commitment are taken, and how long they are waited for.

    Without a ``port`` there is no door: answers are taken on the association that asked alone,
    for ``wait_seconds``. What was not answered after ``answer_seconds`` is asked again.
    """

    aet: AeTitle = "GRANSK"
    host: str = Field(default="127.0.0.1", min_length=1)
    port: Port | None = None
    tls: TlsServer | None = None
    wait_seconds: Number = Field(default=5, ge=0, le=600)
    answer_seconds: Number = Field(default=600, ge=1, le=86400)
