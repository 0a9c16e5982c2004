"""What each machine says of itself: database, Orthanc, service, intake, workers."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path

from pydantic import (
    Field,
    ValidationInfo,
    field_validator,
)
from pydantic_core import PydanticCustomError

from gransk.site.config_types import (
    AeTitle,
    DatabaseUrl,
    HttpUrl,
    Name,
    Number,
    Port,
    Section,
    SitePath,
    WebPath,
    Whole,
)
from gransk.site.config_types import read_secret as read_secret


def viewer_folder() -> Path:
    """Where ``make install`` puts OHIF, beside the package."""
    return Path(__file__).resolve().parents[2] / "node_modules" / "@ohif" / "app" / "dist"


class DatabaseSection(Section):
    """Where our tables and the durable queue's lie."""

    url: DatabaseUrl
    workflows_url: DatabaseUrl


class OrthancSection(Section):
    """The archive, its REST door and its DICOM door."""

    name: Name = "orthanc"
    url: HttpUrl = "http://127.0.0.1:8601"
    username: str = "gransk"
    password_file: SitePath
    certificate_file: SitePath | None = None
    dicomweb_root: WebPath = "/dicom-web"
    aet: AeTitle = "ORTHANC"
    dicom_host: str = Field(default="127.0.0.1", min_length=1)
    dicom_port: Port = 11112
    timeout_seconds: Number = Field(default=60, gt=0)

    def password(self) -> str:
        """The password, read from its file.

        Raises
        ------
        ConfigurationError
            Where the file is missing or empty.
        """
        return read_secret(self.password_file, "orthanc.password_file")


class ServiceSection(Section):
    """Our own web service."""

    host: str = Field(default="127.0.0.1", min_length=1)
    port: Port = 8600
    public_url: HttpUrl
    nudge_secret_file: SitePath
    session_hours: Number = Field(default=12, gt=0, le=168)
    max_upload_mb: Whole = Field(default=4096, ge=1)
    source_url: HttpUrl | None = None
    viewer_folder: SitePath = Field(default_factory=viewer_folder)

    def nudge_secret(self) -> str:
        """The secret that Orthanc's plugin shows when it nudges us.

        Raises
        ------
        ConfigurationError
            Where the file is missing or empty.
        """
        return read_secret(self.nudge_secret_file, "service.nudge_secret_file")


class IntakeSection(Section):
    """How studies are noticed and when they are ready."""

    poll_seconds: Number = Field(default=1, gt=0, le=60)
    quiet_seconds: Number = Field(default=5, ge=0)
    incomplete_after_seconds: Number = Field(default=180, ge=0, validate_default=True)
    reconcile_seconds: Number = Field(default=600, gt=0)
    min_free_disk_mb: Whole = Field(default=2048, ge=0)

    @field_validator("incomplete_after_seconds")
    @classmethod
    def _longer(cls, value: float, info: ValidationInfo) -> float:
        if value < info.data.get("quiet_seconds", 0):
            raise PydanticCustomError("order", "no less than quiet_seconds")
        return value


class Takes(StrEnum):
    """Which analyses a host's workers take."""

    ORDINARY = "ordinary"
    GPU = "gpu"


class WorkersSection(Section):
    """The processes that analyse and deliver, and their limits.

    ``gpu_applications`` are the ids of those whose work waits for a host that takes ``gpu``;
    where none is left, ``gpu_wait_minutes``, then any takes it.
    """

    processes: Whole = Field(default=1, ge=1, le=64)
    takes: Takes = Takes.ORDINARY
    gpu_applications: tuple[str, ...] = ()
    gpu_wait_minutes: Number = Field(default=30, ge=0, le=10080)
    memory_mb: Whole = Field(default=4096, ge=256)
    time_limit_seconds: Number = Field(default=900, gt=0)
    deliveries: Whole = Field(default=4, ge=1, le=64)
    heartbeat_seconds: Number = Field(default=5, gt=0, le=30)
    lost_after_seconds: Number = Field(default=60, gt=0, le=100, validate_default=True)
    max_deaths: Whole = Field(default=3, ge=1, le=5)
    retries: Whole = Field(default=3, ge=0, le=20)
    retry_seconds: Number = Field(default=10, gt=0, le=3600)

    @field_validator("lost_after_seconds")
    @classmethod
    def _longer(cls, value: float, info: ValidationInfo) -> float:
        if value < 3 * info.data.get("heartbeat_seconds", 0):
            raise PydanticCustomError("order", "at least three times heartbeat_seconds")
        return value
