"""The configuration: one YAML file, checked key by key.

Every key, its default and its meaning stand in ``orthanc_config/gransk.yaml``.
Paths are relative to the folder of the file that names them.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal
from zoneinfo import ZoneInfo

from pydantic import (
    BaseModel,
    Field,
    ValidationError,
    ValidationInfo,
    model_validator,
)
from pydantic_core import PydanticCustomError
from sqlalchemy import make_url

from gransk.core.application import Application
from gransk.core.errors import ConfigurationError
from gransk.core.keys import digest
from gransk.core.programme import CodeKey, Programme
from gransk.site.config_archives import PriorsSection
from gransk.site.config_audit import AuditSection
from gransk.site.config_commitment import CommitmentSection
from gransk.site.config_destinations import ORTHANC, Destination, DicomDestination
from gransk.site.config_files import SECTIONS, with_files
from gransk.site.config_identity import IdentitySection
from gransk.site.config_machine import (
    DatabaseSection,
    IntakeSection,
    OrthancSection,
    ServiceSection,
    WorkersSection,
)
from gransk.site.config_messages import MessagesSection
from gransk.site.config_models import ModelsSection
from gransk.site.config_monitoring import MonitoringSection
from gransk.site.config_overrides import Override, check_overrides, checked_settings
from gransk.site.config_priority import PrioritySection
from gransk.site.config_reading import ReadingSection
from gransk.site.config_retention import RetentionSection
from gransk.site.config_shadows import Shadow, check_shadows
from gransk.site.config_sign_in import SignInSection, SingleSignOnSection
from gransk.site.config_types import (
    Section,
    SitePath,
    TimeZone,
    Whole,
    names_differ,
    resolve,
)
from gransk.site.config_types import read_secret as read_secret
from gransk.site.faults import explain, near, read_yaml
from gransk.site.lockout import Rules


class FhirSection(Section):
    """FHIR R4: clinical data that other systems send, and reports that they read here.

    ``older_versions`` says whether versions of a report that were superseded can be read.
    """

    issuers: dict[str, str] = Field(default_factory=dict)
    older_versions: bool = True

    @property
    def systems(self) -> dict[str, str]:
        """The first URI of each issuer of patient identifiers."""
        found: dict[str, str] = {}
        for uri, issuer in self.issuers.items():
            found.setdefault(issuer, uri)
        return found


class OrderCode(Section):
    """A code of the order that says a programme."""

    programme: Programme
    scheme: str = Field(min_length=1, max_length=16)
    value: str = Field(min_length=1, max_length=64)


class OrderText(Section):
    """A text of the order that says a programme, whole and letter by letter."""

    programme: Programme
    text: str = Field(min_length=1, max_length=1024)


class ProgrammeSection(Section):
    """How the programme of an exam is read from the order that its images repeat."""

    codes: tuple[OrderCode, ...] = ()
    texts: tuple[OrderText, ...] = ()

    @model_validator(mode="after")
    def _unique(self) -> ProgrammeSection:
        if len(self.by_code) != len(self.codes) or len(self.by_text) != len(self.texts):
            raise PydanticCustomError("unique", "each code and each text once")
        return self

    @property
    def by_code(self) -> dict[CodeKey, Programme]:
        return {(code.scheme, code.value): code.programme for code in self.codes}

    @property
    def by_text(self) -> dict[str, Programme]:
        return {text.text.strip(): text.programme for text in self.texts}


class ReleaseSection(Section):
    """When a reader may see a result."""

    mode: Literal["at_once"] = "at_once"


class FollowUpSection(Section):
    """When advice puts a patient on the follow-up list, and when that alarms."""

    after: Literal["signed", "released"] = "signed"
    grace_days: Whole = Field(default=14, ge=0, le=366)


class Config(Section):
    """The whole configuration of a site."""

    language: Literal["da", "en"] = "en"
    organization: str = Field(default="", max_length=64)
    time_zone: TimeZone | None = None
    data_folder: SitePath = Field(validate_default=True, default=Path("data"))
    database: DatabaseSection
    orthanc: OrthancSection
    service: ServiceSection
    models: ModelsSection = Field(default_factory=ModelsSection)
    intake: IntakeSection = Field(default_factory=IntakeSection)
    workers: WorkersSection = Field(default_factory=WorkersSection)
    applications: dict[str, dict[str, Any]] = Field(default_factory=dict)
    overrides: Annotated[tuple[Override, ...], names_differ("overrides")] = ()
    shadows: Annotated[tuple[Shadow, ...], names_differ("shadows")] = ()
    destinations: Annotated[tuple[Destination, ...], names_differ("destinations")] = (ORTHANC,)
    commitment: CommitmentSection = Field(default_factory=CommitmentSection)
    release: ReleaseSection = Field(default_factory=ReleaseSection)
    priors: PriorsSection = Field(default_factory=PriorsSection)
    identity: IdentitySection = Field(default_factory=IdentitySection)
    follow_up: FollowUpSection = Field(default_factory=FollowUpSection)
    fhir: FhirSection = Field(default_factory=FhirSection)
    programme: ProgrammeSection = Field(default_factory=ProgrammeSection)
    messages: MessagesSection = Field(default_factory=MessagesSection)
    reading: ReadingSection = Field(default_factory=ReadingSection)
    priority: PrioritySection = Field(default_factory=PrioritySection)
    monitoring: MonitoringSection = Field(default_factory=MonitoringSection)
    retention: RetentionSection = Field(default_factory=RetentionSection)
    audit: AuditSection = Field(default_factory=AuditSection)
    sign_in: SignInSection = Field(default_factory=SignInSection)
    single_sign_on: SingleSignOnSection = Field(default_factory=SingleSignOnSection)

    @model_validator(mode="before")
    @classmethod
    def _fill(cls, values: Any, info: ValidationInfo) -> Any:
        """Defaults that follow from other keys."""
        if not isinstance(values, Mapping):
            return values
        folder = values.get("data_folder", "data")
        if not isinstance(folder, str | Path):
            folder = "data"
        try:
            data = resolve(Path(folder), info)
        except PydanticCustomError:  # told where the key itself is checked
            data = resolve(Path("data"), info)
        service = values.get("service") or {}
        port = service.get("port", 8600) if isinstance(service, Mapping) else 8600
        return _with_defaults(
            values,
            {
                "database": {
                    "url": f"sqlite:///{data}/gransk.db",
                    "workflows_url": f"sqlite:///{data}/workflows.db",
                },
                "orthanc": {"password_file": data / "secrets" / "orthanc"},
                "service": {
                    "nudge_secret_file": data / "secrets" / "nudge",
                    "public_url": f"http://127.0.0.1:{port}",
                },
            },
        )

    @model_validator(mode="after")
    def _answered(self) -> Config:
        """Destinations answer to the title that they were asked under."""
        for one in self.committing:
            if self.commitment.port is not None and one.calling_aet != self.commitment.aet:
                raise PydanticCustomError(
                    "commitment",
                    "commitment.aet as calling_aet of destination {name}: answers come to it",
                    {"name": one.name},
                )
        return self

    @property
    def committing(self) -> tuple[DicomDestination, ...]:
        """Destinations that are asked for storage commitment."""
        return tuple(
            one for one in self.destinations if isinstance(one, DicomDestination) and one.commitment
        )

    @property
    def zone(self) -> ZoneInfo | None:
        """The site's time zone; None is the machine's own, as `datetime.astimezone` takes it."""
        return ZoneInfo(self.time_zone) if self.time_zone else None

    @property
    def password_rules(self) -> Rules:
        """What those who sign in by password are allowed."""
        only = self.single_sign_on.administrators_only
        return Rules(self.sign_in.lock_after, self.sign_in.lock_minutes, only)

    @property
    def blob_folder(self) -> Path:
        """The content-addressed store of large objects."""
        return self.data_folder / "blobs"

    @property
    def admitted_folder(self) -> Path:
        """Models that the site admitted: a folder each, named ``id@version``."""
        return self.data_folder / "models"

    @property
    def scratch_folder(self) -> Path:
        """Where work in progress lies; may be emptied while nothing runs."""
        return self.data_folder / "scratch"

    @property
    def digest(self) -> str:
        """SHA-256 of what the configuration says, secrets left out."""
        return digest(self.content())

    def content(self) -> dict[str, Any]:
        """The configuration as JSON values, passwords in URLs masked."""
        content = self.model_dump(mode="json")
        for key, url in content["database"].items():
            content["database"][key] = make_url(url).render_as_string(hide_password=True)
        return content


def load_config(path: Path) -> Config:
    """Read and check the configuration.

    Parameters
    ----------
    path : Path
        A YAML file.

    Raises
    ------
    ConfigurationError
        Names every key that is wrong, what it got and what it wants.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise ConfigurationError(
            f"{path}: cannot be read ({error.strerror}); give a file that exists and is readable"
        ) from error
    except UnicodeDecodeError as error:
        raise ConfigurationError(f"{path}: byte {error.start} is not UTF-8") from error
    return parse_config(text, path)


def parse_config(text: str, path: Path) -> Config:
    """Check a configuration's text; ``path`` names it in errors and anchors relative paths."""
    values = read_yaml(text, str(path))
    if not isinstance(values, dict):
        raise ConfigurationError(f"{path}: got {type(values).__name__}, wants keys with values")
    values = without_nulls(values)
    folder = path.resolve().parent
    for key in SECTIONS:
        if isinstance(values.get(key), Mapping):
            values = {**values, key: with_files(values[key], folder, f"{path}: {key}")}
    try:
        return Config.model_validate(values, context={"folder": folder})
    except ValidationError as error:
        raise ConfigurationError(explain(error, Config, str(path))) from error


def application_settings(config: Config, application: Application) -> BaseModel:
    """An application's settings, checked against its own schema.

    Raises
    ------
    ConfigurationError
        Names the key, what it got and what it wants.
    """
    given = config.applications.get(application.id, {})
    return checked_settings(application, given, f"applications.{application.id}")


def check_applications(config: Config, installed: Mapping[str, Application]) -> None:
    """Check every application's section.

    Raises
    ------
    ConfigurationError
        Where a section is wrong or belongs to no installed application.
    """
    for name in config.applications:
        if name not in installed:
            raise ConfigurationError(
                f"applications.{name}: no such application is installed{near(name, installed)}"
            )
    rule = config.priority.unknown(installed)
    if rule is not None:
        raise ConfigurationError(
            f"priority.rules.{rule.name}.application: no such application is installed"
            f"{near(rule.application, installed)}"
        )
    for name in config.workers.gpu_applications:
        if name not in installed:
            raise ConfigurationError(
                f"workers.gpu_applications: no application {name!r} is installed"
                f"{near(name, installed)}"
            )
    for application in installed.values():
        application_settings(config, application)
    check_overrides(config.overrides, config.applications, config.reading.names, installed)
    check_shadows(config.shadows, config.applications, config.reading.names, installed)
    _check_rules(config, installed)


def _check_rules(config: Config, installed: Mapping[str, Application]) -> None:
    """Applications and units that rules of destinations name are known."""
    for n, destination in enumerate(config.destinations):
        for k, rule in enumerate(destination.when):
            where = f"destinations[{n}].when[{k}]"
            for name in rule.applications:
                if name not in installed:
                    raise ConfigurationError(
                        f"{where}.applications: no such application is installed"
                        f"{near(name, installed)}"
                    )
            for unit in (origin.unit for origin in rule.origins):
                if unit is not None and unit not in config.reading.names:
                    raise ConfigurationError(
                        f"{where}.origins: no unit is called {unit!r}"
                        f"{near(unit, config.reading.names)}"
                    )


def _with_defaults(values: Mapping[str, Any], defaults: Mapping[str, Any]) -> dict[str, Any]:
    filled = dict(values)
    for key, default in defaults.items():
        given = filled.get(key)
        if given is None:
            filled[key] = default
        elif isinstance(default, Mapping) and isinstance(given, Mapping):
            filled[key] = _with_defaults(given, default)
    return filled


def without_nulls(values: Mapping[Any, Any]) -> dict[Any, Any]:
    """A key without a value has its default, in the sections too."""
    return {
        key: {k: v for k, v in value.items() if v is not None}
        if isinstance(value, dict) and key != "applications"
        else value
        for key, value in values.items()
        if value is not None
    }
