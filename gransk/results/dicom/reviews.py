"""What people said of the findings, in a structured report and back.

A review is a container of the finding's own group. Rejected findings stand in a container
of their own beside the measurements, where no viewer draws them.
"""

from __future__ import annotations

import datetime
from collections.abc import Iterable, Iterator, Sequence

from highdicom.sr import (
    CodeContentItem,
    CodedConcept,
    ContainerContentItem,
    ContentSequence,
    DateTimeContentItem,
    DeviceObserverIdentifyingAttributes,
    ObserverContext,
    PersonObserverIdentifyingAttributes,
    PnameContentItem,
    RelationshipTypeValues,
    TextContentItem,
)
from highdicom.sr.value_types import ContentItem
from pydicom import Dataset
from pydicom.sr.codedict import codes

from gransk.core.codes import Code
from gransk.core.findings import Change, Finding, Review, ReviewState
from gransk.core.identity import MANUFACTURER
from gransk.results.dicom.common import DEVICE_UID, PRIVATE_SCHEME, Report

CONTAINS = RelationshipTypeValues.CONTAINS


def _own(value: str, meaning: str) -> CodedConcept:
    return CodedConcept(value, PRIVATE_SCHEME, meaning)


REVIEW = _own("review", "Review by a person")
STATE = _own("review_state", "What the person said")
STATES = {
    ReviewState.CONFIRMED: _own("confirmed", "Finding confirmed"),
    ReviewState.REJECTED: _own("rejected", "Finding rejected"),
    ReviewState.RELABELLED: _own("relabelled", "Properties set anew"),
    ReviewState.ADDED: _own("added", "Finding added by a person"),
}
AT = _own("review_time", "Time of review")
ROLE = _own("review_role", "Role of the person")
REASON = _own("review_reason", "Reason of rejection")
WORDS = _own("review_text", "The person's own words")
CHANGE = _own("review_change", "Property set anew")
PROPERTY = _own("property", "Name of property")
BEFORE = _own("value_before", "Value before")
AFTER = _own("value_after", "Value after")
REJECTED_FINDINGS = _own("rejected_marks", "Findings rejected by a person")
REJECTED_FINDING = _own("rejected_mark", "Finding rejected by a person")
PERSON = codes.DCM.PersonObserverName


def review_items(report: Report, finding: Finding) -> list[ContainerContentItem]:
    """One container for each review of a finding."""
    return [_container(REVIEW, _content(report, review)) for review in finding.reviews]


def _content(report: Report, review: Review) -> Iterator[ContentItem]:
    yield CodeContentItem(STATE, STATES[review.state], CONTAINS)
    yield PnameContentItem(PERSON, person_name(review.by), CONTAINS)
    yield DateTimeContentItem(AT, _written(report, review.at), CONTAINS)
    for concept, value in ((ROLE, review.role), (REASON, review.reason), (WORDS, review.text)):
        if value:
            yield TextContentItem(concept, value, CONTAINS)
    for change in review.changes:
        yield _container(CHANGE, _change(change))


def _change(change: Change) -> Iterator[ContentItem]:
    yield TextContentItem(PROPERTY, change.name, CONTAINS)
    for concept, code in ((BEFORE, change.before), (AFTER, change.after)):
        if code is not None:
            value = CodedConcept(code.value, code.scheme, code.meaning)
            yield CodeContentItem(concept, value, CONTAINS)


def rejected_container(groups: Sequence[ContentSequence]) -> ContainerContentItem:
    """Measurement groups of rejected findings, no longer as measurement groups."""
    container = _container(REJECTED_FINDINGS, ())
    for group in groups:
        for item in group:
            item.ConceptNameCodeSequence = [REJECTED_FINDING]
            # Under its template's name a viewer would draw it.
            del item.ContentTemplateSequence
        container.ContentSequence.extend(group)
    return container


def device_observer(report: Report) -> ObserverContext:
    """The suite and the application as an observer (TID 1004)."""
    device = DeviceObserverIdentifyingAttributes(
        uid=DEVICE_UID,
        name=MANUFACTURER,
        manufacturer_name=MANUFACTURER,
        model_name=f"{report.findings.application} {report.findings.application_version}",
        serial_number=report.version,
    )
    return ObserverContext(codes.DCM.Device, device)


def person_observer(report: Report) -> ObserverContext | None:
    """The signer as an observer (TID 1003); None where nobody signed."""
    if report.signature is None:
        return None
    person = PersonObserverIdentifyingAttributes(
        name=person_name(report.signature.person),
        organization_name=report.organization,
    )
    return ObserverContext(codes.DCM.Person, person)


def verify(dataset: Dataset, report: Report) -> None:
    """Name the verifying observer of a signed report (PS3.3 C.17.2).

    Only a complete document may be verified: of an incomplete study the description of its
    completion says so.
    """
    if report.signature is None:
        return
    dataset.CompletionFlag = "COMPLETE"
    if report.incomplete:
        dataset.CompletionFlagDescription = report.say("incomplete")[:64]
    observer = Dataset()
    observer.VerifyingObserverName = person_name(report.signature.person)
    observer.VerifyingOrganization = report.organization[:64]
    observer.VerificationDateTime = _written(report, report.signature.at)
    observer.VerifyingObserverIdentificationCodeSequence = []
    dataset.VerificationFlag = "VERIFIED"
    dataset.VerifyingObserverSequence = [observer]


def standing(report: Report) -> list[str]:
    """How a report stands, as sentences: research use, incomplete, replacing, signed or not."""
    lines = [report.say("research")]
    if report.incomplete:
        lines.append(report.say("incomplete"))
    if report.predecessors:
        lines.append(report.say("replaces"))
    return [*lines, _signed(report) or report.say("unsigned")]


def _signed(report: Report) -> str:
    """Who signed and when; empty where nobody did."""
    if report.signature is None:
        return ""
    at = report.signature.at.astimezone(report.local_time.tzinfo)
    who = f"{report.signature.person} ({_role(report, report.signature.role)})"
    return report.say("signed").format(who=who, at=f"{at:%Y-%m-%d %H:%M}")


def statements(report: Report) -> list[str]:
    """Who prepared and signed the report, what was rejected and set anew, as sentences."""
    found = report.findings
    reviews = [(finding, review) for finding in found.findings for review in finding.reviews]
    lines = []
    if reviews:
        people = dict.fromkeys(_who(report, review) for _, review in reviews)
        lines.append(report.say("prepared").format(who=", ".join(people)))
    if report.signature is not None:
        lines.append(_signed(report))
    elif reviews:
        lines.append(report.say("unsigned"))
    for finding in found.rejected:
        lines.append(report.say("rejected").format(finding=finding.tracking_id))
    for finding, review in reviews:
        for change in review.changes:
            lines.append(_set_anew(report, finding, review, change))
    return lines


def _set_anew(report: Report, finding: Finding, review: Review, change: Change) -> str:
    shown, language = report.presentation, report.language
    before = report.say("not_given")
    if change.before is not None:
        before = shown.value(change.name, change.before, language)
    return report.say("set_anew").format(
        finding=finding.tracking_id,
        name=shown.word(change.name, language),
        before=before,
        after=shown.value(change.name, change.after, language),
        who=review.by,
    )


def _who(report: Report, review: Review) -> str:
    return f"{review.by} ({_role(report, review.role)})" if review.role else review.by


def _role(report: Report, role: str) -> str:
    return report.say(f"role_{role}") if report.says(f"role_{role}") else role


def read_reviews(group: Dataset) -> tuple[Review, ...]:
    """Reviews of a finding's group."""
    return tuple(_review(item) for item in _children(group, REVIEW))


def _review(item: Dataset) -> Review:
    states = {code.value: state for state, code in STATES.items()}
    return Review(
        state=states[str(_one(item, STATE).ConceptCodeSequence[0].CodeValue)],
        by=str(_one(item, PERSON).PersonName),
        at=_instant(str(_one(item, AT).DateTime)),
        role=_text(item, ROLE),
        reason=_text(item, REASON),
        text=_text(item, WORDS),
        changes=tuple(
            Change(
                name=_text(change, PROPERTY),
                before=next((_code(c) for c in _children(change, BEFORE)), None),
                after=_code(_one(change, AFTER)),
            )
            for change in _children(item, CHANGE)
        ),
    )


def person_name(name: str) -> str:
    """A name as one component of a DICOM person name: accounts do not tell its parts.

    At most 64 characters, without the delimiters of names and values (PS3.5 6.2).
    """
    return " ".join(name.translate(str.maketrans("^=\\", "   ")).split())[:64]


def _written(report: Report, at: datetime.datetime) -> str:
    """An instant as DT (PS3.5 6.2), in the report's time zone.

    DCMTK to 3.6.7 reads no offset of zero, so there the same instant is told in the next zone.
    """
    local = at.astimezone(report.local_time.tzinfo)
    if not local.utcoffset():
        local = at.astimezone(datetime.timezone(datetime.timedelta(hours=1)))
    return local.strftime("%Y%m%d%H%M%S.%f%z")


def _instant(value: str) -> datetime.datetime:
    read = datetime.datetime.strptime(value, f"%Y%m%d%H%M%S{'.%f' if '.' in value else ''}%z")
    return read.astimezone(datetime.UTC)


def _container(name: CodedConcept, content: Iterable[ContentItem]) -> ContainerContentItem:
    item = ContainerContentItem(name, is_content_continuous=False, relationship_type=CONTAINS)
    item.ContentSequence = ContentSequence(list(content))
    return item


def _children(item: Dataset, name: CodedConcept) -> Iterator[Dataset]:
    wanted = (name.value, name.scheme_designator)
    for child in item.get("ContentSequence") or []:
        for code in child.get("ConceptNameCodeSequence") or []:
            if (str(code.get("CodeValue", "")), str(code.CodingSchemeDesignator)) == wanted:
                yield child


def _one(item: Dataset, name: CodedConcept) -> Dataset:
    return next(_children(item, name))


def _text(item: Dataset, name: CodedConcept) -> str:
    return next((str(child.TextValue) for child in _children(item, name)), "")


def _code(item: Dataset) -> Code:
    code = item.ConceptCodeSequence[0]
    return Code(
        value=str(code.get("CodeValue") or code.get("LongCodeValue")),
        scheme=str(code.CodingSchemeDesignator),
        meaning=str(code.CodeMeaning),
    )
