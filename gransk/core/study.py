"""A study as typed data: headers in memory, pixels read when asked for."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from pydicom import Dataset

from gransk.core.errors import InvalidValueError


@dataclass(frozen=True)
class Instance:
    """One DICOM object.

    Parameters
    ----------
    header : pydicom.Dataset
        Every attribute but the pixel data, file meta included.
    load : callable
        Returns the whole object, pixel data included; may raise OSError or
        pydicom's errors where the file is gone or damaged.
    """

    header: Dataset = field(repr=False)
    load: Callable[[], Dataset] = field(repr=False, compare=False)

    def __post_init__(self) -> None:
        for keyword in ("SOPInstanceUID", "SOPClassUID", "SeriesInstanceUID", "StudyInstanceUID"):
            if not str(self.header.get(keyword, "")):
                raise InvalidValueError(f"Instance.{keyword}", "nothing", "a UID")

    @property
    def sop_instance_uid(self) -> str:
        return str(self.header.SOPInstanceUID)

    @property
    def sop_class_uid(self) -> str:
        return str(self.header.SOPClassUID)

    @property
    def series_instance_uid(self) -> str:
        return str(self.header.SeriesInstanceUID)

    @property
    def study_instance_uid(self) -> str:
        return str(self.header.StudyInstanceUID)

    @property
    def transfer_syntax_uid(self) -> str:
        meta = getattr(self.header, "file_meta", None)
        return str(meta.get("TransferSyntaxUID", "")) if meta is not None else ""


@dataclass(frozen=True)
class Series:
    """The instances of one series, in order of SOP Instance UID."""

    uid: str
    instances: tuple[Instance, ...]

    @property
    def modality(self) -> str:
        return str(self.instances[0].header.get("Modality", ""))

    @property
    def description(self) -> str:
        return str(self.instances[0].header.get("SeriesDescription", ""))


@dataclass(frozen=True)
class Study:
    """The series of one study, in order of Series Instance UID."""

    uid: str
    series: tuple[Series, ...]

    @classmethod
    def from_instances(cls, instances: Iterable[Instance]) -> Study:
        """Group instances of one study into series.

        Raises
        ------
        InvalidValueError
            Where there are none, or they belong to several studies.
        """
        by_series: dict[str, dict[str, Instance]] = {}
        studies: set[str] = set()
        for instance in instances:
            studies.add(instance.study_instance_uid)
            by_series.setdefault(instance.series_instance_uid, {})[instance.sop_instance_uid] = (
                instance
            )
        if len(studies) != 1:
            raise InvalidValueError("Study", f"{len(studies)} studies", "instances of one study")
        series = tuple(
            Series(uid, tuple(by_series[uid][key] for key in sorted(by_series[uid])))
            for uid in sorted(by_series)
        )
        return cls(studies.pop(), series)

    @property
    def instances(self) -> tuple[Instance, ...]:
        return tuple(instance for series in self.series for instance in series.instances)
