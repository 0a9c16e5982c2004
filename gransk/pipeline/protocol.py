"""What a worker and its child process say to each other: JSON, one message a line."""

from __future__ import annotations

import datetime
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

from gransk.core.followup import NotCompared
from gransk.core.object_kinds import ObjectKind
from gransk.core.programme import Programme
from gransk.core.reasons import Reason
from gransk.results.edits import Act
from gransk.site.config_overrides import Override
from gransk.site.config_shadows import Shadow


class _Message(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Job(_Message):
    """What the child is to do; ``output`` is an empty folder of its own.

    ``config`` is the whole configuration; ``settings`` and ``overrides`` are the application's
    own under the version that the work was queued with, ``unit`` and ``programme`` what is known
    of the exam beside its images. Of a study that is
    there as a ``prior`` alone no report is made. ``admitted`` is the SHA-256 of the card of each
    admitted model. ``no_comparing`` says why nothing is compared where comparing has failed the
    study before. ``beside`` are settings laid over everything, of an analysis that is made to be
    compared alone: it ends with its findings.
    """

    config: dict[str, Any]
    study_key: str
    orthanc_id: str
    study_instance_uid: str
    application: str
    settings: dict[str, Any]
    incomplete: bool
    output: str
    overrides: tuple[Override, ...] = ()
    unit: str | None = None
    programme: Programme | None = None
    prior: bool = False
    admitted: dict[str, str] = {}
    no_comparing: Reason | None = None
    shadows: tuple[Shadow, ...] = ()
    beside: dict[str, Any] | None = None


class Progress(_Message):
    """How far the child is."""

    kind: Literal["progress"] = "progress"
    step: str
    share: float


class Asked(_Message):
    """The child knows the analysis key and asks for findings sealed before.

    ``overrides`` names those that held for the study; None where it did not ask for them.
    ``shadows`` names those that are for it.
    """

    kind: Literal["asked"] = "asked"
    analysis_key: str
    overrides: tuple[str, ...] | None = None
    shadows: tuple[str, ...] = ()


class Answer(_Message):
    """Files of the findings and pictures that are sealed under the key, or nothing."""

    findings: str | None = None
    pictures: str | None = None


class Found(_Message):
    """Findings and pictures are written as ``findings.json`` and ``pictures.npz``."""

    kind: Literal["found"] = "found"
    seconds: float


class Observed(_Message):
    """What is observed of the study whose findings are sealed."""

    kind: Literal["observed"] = "observed"
    regime: str
    facts: dict[str, str | float]


class Beside(_Message):
    """The findings are sealed; the child asks what stands beside the study."""

    kind: Literal["beside"] = "beside"


class Neighbour(_Message):
    """Another analysis: of an earlier study, or of the same study by an earlier version.

    ``findings`` is a file; ``tracking`` leads from the UIDs of its findings to the lesions'.
    """

    study_key: str
    orthanc_id: str
    study_instance_uid: str
    study_date: datetime.date
    analysis_key: str
    findings: str
    tracking: dict[str, str] = Field(default_factory=dict)
    acts: tuple[Act, ...] = ()


class Neighbours(_Message):
    """What stands beside a study.

    ``created`` is the instant that is written into the objects, ``signed`` the SHA-256 of
    what the report that was signed last tells beside its findings.
    """

    created: datetime.datetime
    priors: tuple[Neighbour, ...] = ()
    before: tuple[Neighbour, ...] = ()
    not_compared: tuple[NotCompared, ...] = ()
    acts: tuple[Act, ...] = ()
    profile: dict[str, Any] | None = None
    signed: str | None = None


class Measured(_Message):
    """What a person pointed at is measured, its JSON in ``file``, or refused."""

    kind: Literal["measured"] = "measured"
    act: int
    file: str | None = None
    refused: Reason | None = None


class AskedComparison(_Message):
    """The child asks for a comparison sealed before."""

    kind: Literal["asked_comparison"] = "asked_comparison"
    key: str


class SealedComparison(_Message):
    """Files of a sealed comparison and its pictures, or nothing."""

    comparison: str | None = None
    pictures: str | None = None


class Compared(_Message):
    """A comparison is written."""

    kind: Literal["compared"] = "compared"
    key: str
    prior_analysis: str
    comparison: str
    pictures: str


class Pair(_Message):
    """Two findings that are one lesion."""

    uid: str
    other_analysis: str
    other_uid: str


class Paired(_Message):
    """Every finding of the study, and which are lesions of other analyses too."""

    kind: Literal["paired"] = "paired"
    uids: tuple[str, ...]
    pairs: tuple[Pair, ...]


class Tracks(_Message):
    """The lesions' tracking UIDs, by those of the findings, for this and other analyses."""

    tracking: dict[str, str]
    others: dict[str, dict[str, str]] = Field(default_factory=dict)


class Named(_Message):
    """The child knows the report key and asks whether its report is sealed."""

    kind: Literal["named"] = "named"
    report_key: str


class Known(_Message):
    """Whether the report is sealed; else the (class, instance, series) UIDs of the documents of
    the report that the new one replaces."""

    report: bool = False
    supersedes: tuple[tuple[str, str, str], ...] = ()


class MadeFile(_Message):
    """One DICOM object that the child wrote."""

    kind: ObjectKind
    sop_class_uid: str
    sop_instance_uid: str
    series_instance_uid: str
    file: str


class Done(_Message):
    """The objects are written, and what the report tells beside the findings."""

    kind: Literal["done"] = "done"
    objects: tuple[MadeFile, ...] = ()
    follow_up: str | None = None


class Refused(_Message):
    """The input is not analysed."""

    kind: Literal["refused"] = "refused"
    reason: Reason
    detail: str = ""


class Unreachable(_Message):
    """The archive does not answer, or the disk is full: none of the input's fault."""

    kind: Literal["unreachable"] = "unreachable"
    detail: str = ""


class Missing(_Message):
    """The archive holds the study no more, or not all of it."""

    kind: Literal["missing"] = "missing"
    detail: str = ""


class NoDevice(_Message):
    """This host's device for models cannot be used: none of the input's fault."""

    kind: Literal["no_device"] = "no_device"
    detail: str


class Broken(_Message):
    """The child met a fault of ours; the place is named, never a value of the input."""

    kind: Literal["broken"] = "broken"
    detail: str


Question = Asked | Beside | AskedComparison | Paired | Named
Reply = Answer | Neighbours | SealedComparison | Tracks | Known
Result = Found | Observed | Measured | Compared
Message = Progress | Question | Result | Done | Refused | Unreachable | Missing | NoDevice | Broken
_ADAPTER: TypeAdapter[Message] = TypeAdapter(Annotated[Message, Field(discriminator="kind")])


def parse(line: bytes) -> Message:
    """A message of the child's.

    Raises
    ------
    pydantic.ValidationError
        Where the line is none.
    """
    return _ADAPTER.validate_json(line)
