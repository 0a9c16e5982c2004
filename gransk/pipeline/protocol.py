"""What a worker and its child process say to each other: JSON, one message a line."""

from __future__ import annotations

import datetime
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

from gransk.core.reasons import Reason


class _Message(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Job(_Message):
    """What the child is to do; ``output`` is an empty folder of its own.

    ``config`` is the whole configuration, ``settings`` the application's own
    under the version of settings that the work was queued with.
    """

    config: dict[str, Any]
    study_key: str
    orthanc_id: str
    study_instance_uid: str
    application: str
    settings: dict[str, Any]
    incomplete: bool
    output: str


class Progress(_Message):
    """How far the child is."""

    kind: Literal["progress"] = "progress"
    step: str
    share: float


class Asked(_Message):
    """The child knows the analysis key and asks for findings sealed before."""

    kind: Literal["asked"] = "asked"
    analysis_key: str
    report_key: str


class Answer(_Message):
    """What is sealed already under the keys that the child named.

    ``findings`` and ``pictures`` are files; ``report`` says that the objects
    need not be made either. ``supersedes`` are the (class, instance, series)
    UIDs of the structured report that the new one replaces.
    """

    findings: str | None = None
    pictures: str | None = None
    report: bool = False
    created: datetime.datetime
    supersedes: tuple[str, str, str] | None = None


class MadeFile(_Message):
    """One DICOM object that the child wrote."""

    kind: str
    sop_class_uid: str
    sop_instance_uid: str
    series_instance_uid: str
    file: str


class Found(_Message):
    """Findings and pictures are written as ``findings.json`` and ``pictures.npz``."""

    kind: Literal["found"] = "found"
    seconds: float


class Done(_Message):
    """The objects are written."""

    kind: Literal["done"] = "done"
    objects: tuple[MadeFile, ...] = ()


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


class Broken(_Message):
    """The child met a fault of ours; the place is named, never a value of the input."""

    kind: Literal["broken"] = "broken"
    detail: str


Message = Progress | Asked | Found | Done | Refused | Unreachable | Missing | Broken
_ADAPTER: TypeAdapter[Message] = TypeAdapter(Annotated[Message, Field(discriminator="kind")])


def parse(line: bytes) -> Message:
    """A message of the child's.

    Raises
    ------
    pydantic.ValidationError
        Where the line is none.
    """
    return _ADAPTER.validate_json(line)
