"""What messages tell us, as typed statements: a reader's opinion, the facts of an order."""

from __future__ import annotations

import datetime
import re
from collections.abc import Callable, Iterable, Mapping
from enum import StrEnum
from typing import Literal, TypeVar

from pydantic import Field, ValidationError

from gransk.core.errors import GranskError
from gransk.core.programme import Programme
from gransk.core.screening import Breast, FindingType, TechnicalReason, Verdict, View
from gransk.delivery.hl7.acknowledgement import Refusal
from gransk.delivery.hl7.codes import field, meaning, of, order_fields
from gransk.delivery.hl7.er7 import Message, Segment
from gransk.results.announcing import Told
from gransk.results.decisions import Mark, Repeat
from gransk.site.config_types import Section
from gransk.site.hl7_mapping import Hl7Mapping

T = TypeVar("T")

BREASTS = {"right": Breast.RIGHT, "left": Breast.LEFT}
VIEWS = {"cc": View.CC, "mlo": View.MLO}
GROUPS = 40
WORDS = 500


class NotTakenError(GranskError):
    """A message that is not taken.

    Parameters
    ----------
    refusal : Refusal
    detail : str
        Names of fields and codes; nothing of what they hold.
    """

    def __init__(self, refusal: Refusal, detail: str) -> None:
        super().__init__(f"{refusal.name.lower()}: {detail}")
        self.refusal = refusal
        self.detail = detail


class Round(StrEnum):
    """Whether a woman was screened before."""

    FIRST = "first"
    LATER = "later"


class ReadStatement(Told):
    """A reader's opinion of an exam, from a RIS.

    Parameters
    ----------
    accession_number : str
    patient_id : str
    study_instance_uid : str
        Empty where the message does not tell it.
    reader : str
        As the sender names the reader.
    verdict : Verdict
    marks : tuple of Mark
    repeat : Repeat, optional
    comment : str
    read_at : datetime, optional
        Without a zone where the message has none.
    """

    accession_number: str = Field(min_length=1, max_length=64)
    patient_id: str = Field(min_length=1, max_length=128)
    study_instance_uid: str = Field(default="", pattern=r"^[0-9.]{0,64}$")
    reader: str = Field(min_length=1, max_length=64)
    verdict: Verdict
    marks: tuple[Mark, ...] = ()
    repeat: Repeat | None = None
    comment: str = Field(default="", max_length=WORDS)
    read_at: datetime.datetime | None = None


class ExamStatement(Told):
    """Facts of an exam from its order; None where the message does not speak of them.

    Parameters
    ----------
    accession_number : str
    patient_id : str
        Empty where the message does not tell it.
    programme : Programme or "unknown", optional
        ``unknown`` takes back what was said before.
    round : Round, optional
    treated, implant, declines_ai : bool, optional
    placer_order, filler_order : str
    service : tuple of str
        Value, meaning and scheme of what was ordered.
    cancelled : bool
        Whether the order was cancelled or discontinued.
    """

    accession_number: str = Field(min_length=1, max_length=64)
    patient_id: str = Field(default="", max_length=128)
    programme: Programme | Literal["unknown"] | None = None
    round: Round | None = None
    treated: bool | None = None
    implant: bool | None = None
    declines_ai: bool | None = None
    placer_order: str = Field(default="", max_length=64)
    filler_order: str = Field(default="", max_length=64)
    service: tuple[str, ...] = ()
    cancelled: bool = False

    @property
    def has_facts(self) -> bool:
        """Whether it says more of the exam than its programme."""
        said = (self.round, self.treated, self.implant, self.declines_ai)
        return any(fact is not None for fact in said)


def read_statement(message: Message, mapping: Hl7Mapping) -> ReadStatement:
    """A reader's opinion from ORU^R01.

    Raises
    ------
    NotTakenError
        Where something that must stand in it is missing, or not known to the mapping.
    """
    if len(list(message.named("OBR"))) != 1:
        raise NotTakenError(Refusal.SEGMENT_MISSING, "wants one OBR, of one exam")
    known = mapping.observations
    groups = _Observations(message, mapping)
    if groups.preliminary:
        raise NotTakenError(Refusal.VALUE_UNKNOWN, "OBX-11: wants F or C, a final opinion")
    outcome = groups.one("outcome")
    if outcome is None:
        raise NotTakenError(
            Refusal.SEGMENT_MISSING, f"an OBX of {known.outcome[0].split('^')[0]}, the outcome"
        )
    fields = order_fields(message, mapping)
    verdict = Verdict(_meant(mapping.values.outcome, outcome))
    study, comment = groups.one("study"), groups.one("comment")
    return _checked(
        lambda: ReadStatement(
            accession_number=_wanted(fields, "accession_number"),
            patient_id=_wanted(fields, "patient_id"),
            study_instance_uid="" if study is None else study.text(5),
            reader=field(mapping.fields.reader, outcome) or _wanted(fields, "reader"),
            verdict=verdict,
            marks=groups.marks() if verdict is Verdict.RECALL else (),
            repeat=groups.repeat() if verdict is Verdict.TECHNICAL else None,
            comment="" if comment is None else comment.text(5),
            read_at=_instant(field(mapping.fields.read_at, outcome) or fields.get("read_at", "")),
        )
    )


def exam_statement(message: Message, mapping: Hl7Mapping) -> ExamStatement:
    """The facts of an order from ORM^O01 or OMG^O19.

    Raises
    ------
    NotTakenError
        Where something that must stand in it is missing, or not known to the mapping.
    """
    orders = list(message.named("ORC"))
    if len(orders) > 1 or len(list(message.named("OBR"))) > 1:
        raise NotTakenError(Refusal.SEGMENT_MISSING, "wants one ORC and one OBR, of one exam")
    fields = order_fields(message, mapping)
    groups = _Observations(message, mapping)
    values = mapping.values
    obr = message.first("OBR")

    def said(name: str, section: Section) -> str | None:
        found = groups.one(name)
        if found is not None:
            return _meant(section, found)
        value = fields.get(name)
        if value is None:
            return None
        return _known(meaning(section, value), name)

    def answer(name: str) -> bool | None:
        found = said(name, values.answer)
        return None if found is None else found == "affirmed"

    programme, round_ = said("programme", values.programme), said("round", values.round)
    service = () if obr is None else tuple(obr.text(4, n) for n in (1, 2, 3))
    return _checked(
        lambda: ExamStatement(
            accession_number=_wanted(fields, "accession_number"),
            patient_id=fields.get("patient_id", ""),
            programme=_programme(programme),
            round=None if round_ is None else Round(round_),
            treated=answer("treated"),
            implant=answer("implant"),
            declines_ai=answer("declines_ai"),
            placer_order=fields.get("placer_order", ""),
            filler_order=fields.get("filler_order", ""),
            service=service if any(service) else (),
            cancelled=any(one.text(1) in ("CA", "OC", "DC", "OD") for one in orders),
        )
    )


class _Observations:
    """The OBX of a message by what they tell; those of one mark share OBX-4."""

    def __init__(self, message: Message, mapping: Hl7Mapping) -> None:
        self.mapping = mapping
        self.found: list[tuple[str, Segment]] = []
        for segment in message.named("OBX"):
            name = meaning(mapping.observations, segment.text(3), segment.text(3, 3))
            if name is not None and segment.text(11) not in ("X", "D"):
                self.found.append((name, segment))

    @property
    def preliminary(self) -> bool:
        """Whether one of them says that it is not final (HL7 table 0085)."""
        return any(segment.text(11) not in ("", "F", "C") for _, segment in self.found)

    def one(self, name: str) -> Segment | None:
        """The one of a name; None where there is none, or it says nothing."""
        several = [segment for known, segment in self.found if known == name and segment.text(5)]
        if len(several) > 1:
            code = of(self.mapping.observations, name)[0].split("^")[0]
            raise NotTakenError(Refusal.MALFORMED, f"OBX of {code} stands more than once")
        return several[0] if several else None

    def groups(self) -> Iterable[dict[str, Segment]]:
        """Observations of each mark or image."""
        by_group: dict[str, dict[str, Segment]] = {}
        for name, segment in self.found:
            if name not in ("finding", "side", "view", "suspicion"):
                continue
            group = by_group.setdefault(segment.text(4), {})
            if name in group:
                raise NotTakenError(Refusal.MALFORMED, "OBX-4: marks that share a number")
            group[name] = segment
        if len(by_group) > GROUPS:
            raise NotTakenError(Refusal.MALFORMED, f"more than {GROUPS} marks")
        return by_group.values()

    def marks(self) -> tuple[Mark, ...]:
        """What a recall points at."""
        found = []
        for group in self.groups():
            finding, suspicion = group.get("finding"), group.get("suspicion")
            found.append(
                Mark(
                    breast=self._breast(group),
                    view=self._view(group),
                    finding_type=FindingType.OTHER
                    if finding is None
                    else FindingType(_meant(self.mapping.values.finding, finding)),
                    suspicion=None if suspicion is None else _number(suspicion),
                )
            )
        return tuple(found)

    def repeat(self) -> Repeat:
        """What a technical recall asks for."""
        reason = self.one("technical_reason")
        if reason is None:
            raise NotTakenError(Refusal.SEGMENT_MISSING, "an OBX with the reason of the recall")
        views = []
        for group in self.groups():
            if (view := self._view(group)) is None:
                raise NotTakenError(Refusal.SEGMENT_MISSING, "an OBX with the view, at each side")
            views.append((self._breast(group), view))
        reasons = self.mapping.values.technical_reason
        return Repeat(views=tuple(views), reason=TechnicalReason(_meant(reasons, reason)))

    def _breast(self, group: dict[str, Segment]) -> Breast:
        if "side" not in group:
            raise NotTakenError(Refusal.SEGMENT_MISSING, "an OBX with the side, at each mark")
        return BREASTS[_meant(self.mapping.values.side, group["side"])]

    def _view(self, group: dict[str, Segment]) -> View | None:
        if "view" not in group:
            return None
        return VIEWS[_meant(self.mapping.values.view, group["view"])]


def _meant(section: Section, observation: Segment) -> str:
    """The name of an observation's value in the mapping."""
    found = meaning(section, observation.text(5), observation.text(5, 3))
    return _known(found, f"OBX-5 of {_code(observation.text(3))}")


def _known(name: str | None, where: str) -> str:
    if name is None:
        raise NotTakenError(Refusal.VALUE_UNKNOWN, f"{where}: a code that the mapping lacks")
    return name


def _code(text: str) -> str:
    """A code of a message as an answer may repeat it."""
    return text if _is_code(text) else "an unnamed code"


def _is_code(text: str) -> bool:
    """Whether a text looks like a code, not like words or a name."""
    return re.fullmatch(r"[A-Z0-9][A-Z0-9.-]{0,31}", text) is not None


def _wanted(fields: Mapping[str, str], name: str) -> str:
    found = fields.get(name, "")
    if not found:
        raise NotTakenError(Refusal.FIELD_MISSING, name.replace("_", " "))
    return found


def _programme(name: str | None) -> Programme | Literal["unknown"] | None:
    if name is None:
        return None
    return "unknown" if name == "unknown" else Programme(name)


def _number(observation: Segment) -> int:
    text = observation.text(5)
    if not re.fullmatch(r"\d{1,3}", text):
        raise NotTakenError(Refusal.MALFORMED, "suspicion: wants a whole number")
    return int(text)


def _instant(text: str) -> datetime.datetime | None:
    """A time stamp (data type TS); None where it names no day."""
    found = re.fullmatch(r"(\d{8})(\d{4})?(\d{2})?(\.\d{1,4})?([+-]\d{4})?", text)
    if found is None:
        return None
    digits = found[1] + (found[2] or "0000") + (found[3] or "00")
    zone = found[5] or ""
    try:
        return datetime.datetime.strptime(digits + zone, "%Y%m%d%H%M%S" + ("%z" if zone else ""))
    except ValueError:
        return None


def _checked(make: Callable[[], T]) -> T:
    """A statement; what it refuses is told by the names of its parts alone."""
    try:
        return make()
    except ValidationError as error:
        names = sorted({".".join(map(str, one["loc"])) or "opinion" for one in error.errors()})
        raise NotTakenError(Refusal.MALFORMED, ", ".join(names)) from None
