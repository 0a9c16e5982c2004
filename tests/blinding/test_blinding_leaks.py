"""A planted leak at each kind of door turns the suite red.

Two runs, whose AI was ready or came late, are asked at one door while a leak is planted there, as
the suite itself asks and compares; it must say which door leaked. Without the leak the same doors
pass (`test_blinding`).
"""

from __future__ import annotations

import io
import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace

import blinding_dicom
import blinding_look
import blinding_messages
import blinding_orthanc
import pytest
from blinding_look import Answers, LeakError, compare
from blinding_messages import DELIVERED, FHIR, LOG, MESSAGES, READ_IN
from blinding_programme import Ai, Programme
from pydicom import dcmwrite
from sqlalchemy import ColumnElement, case, false, true

from gransk.delivery.hl7.acknowledgement import Refusal
from gransk.delivery.hl7.incoming import NotTakenError
from gransk.reading.exam_tables import ExamRow
from gransk.reading.sight import Sight
from gransk.results.urgency import Urgency
from gransk.web import worklist
from gransk.web.hl7_taking import Takers

pytestmark = [pytest.mark.blinding, pytest.mark.system]


@dataclass(frozen=True)
class Leak:
    """A leak at one kind of door.

    Parameters
    ----------
    door : str
        Which must be named.
    plant : callable
        Opens it while its context lasts.
    look : callable
        What the suite asks there.
    """

    door: str
    plant: Callable[[Programme, pytest.MonkeyPatch], None]
    look: Callable[[Programme], Answers]


def page(door: str, plant: Callable[[Programme, pytest.MonkeyPatch], None]) -> Leak:
    """A leak at one of our own doors."""
    return Leak(door, plant, lambda run: blinding_look.look(run, [door], ended=False))


def patched(name: str, value: object) -> Callable[[Programme, pytest.MonkeyPatch], None]:
    return lambda _run, patch: patch.setattr(name, value)


def everything(*_: object) -> Sight:
    return Sight.ALL


def let_in(run: Programme, _patch: pytest.MonkeyPatch) -> None:
    """The result of an open exam reaches the archive where the AI was in time."""
    if run.ai is Ai.LOW:
        file = io.BytesIO()
        dcmwrite(file, run.result(1), enforce_file_format=True)
        run.site.orthanc.store(file.getvalue())


def proxied(run: Programme, patch: pytest.MonkeyPatch) -> None:
    """It is there, and the proxy keeps nothing back."""
    let_in(run, patch)
    patch.setattr("gransk.web.withheld.blind", lambda *_: {})


def told(run: Programme, patch: pytest.MonkeyPatch) -> None:
    """A refusal by message says how the exam is."""

    def say(session, taken):
        row = session.get_one(ExamRow, taken.study_key)
        raise NotTakenError(Refusal.NOT_NOW, f"{row.state} {row.plan and row.plan['human_reads']}")

    patch.setattr("gransk.web.hl7_reading.takers", lambda: Takers(read=say))


def written(run: Programme, _patch: pytest.MonkeyPatch) -> None:
    """A line of the log names what was sealed."""
    for row in run.rows():
        logging.getLogger("gransk.reading.opening").info("%s: %s", row.study_key, row.sealed_as)


def released(run: Programme, patch: pytest.MonkeyPatch) -> None:
    """Nothing is held until the decision."""
    patch.setattr("gransk.reading.release._held", lambda *_: False)
    with run.site.database.begin() as session:
        session.get_one(ExamRow, run.key(1)).reports_at = run.clock.at
    run.release()


def answered(_run: Programme, patch: pytest.MonkeyPatch) -> None:
    """A report that is released (by the leak before) is served to whoever asks."""
    patch.setattr("gransk.web.fhir_reports.hides_from", lambda *_: lambda _key: false())


def drifted(run: Programme, patch: pytest.MonkeyPatch) -> None:
    """Observed studies are counted while their exams are undecided."""
    patch.setattr("gransk.oversight.drift.counted.told_to_all", lambda *_: True)
    run.look_for_drift()


def corrected(_run: Programme, patch: pytest.MonkeyPatch) -> None:
    """A read may be corrected while another is awaited, where one or two read."""
    for module in ("desk", "checking"):
        patch.setattr(f"gransk.reading.{module}.keeps_corrections", lambda _plan: True)


def urgent(run: Programme) -> None:
    """The open exam is urgent by the AI, where it was in time."""
    if run.ai is Ai.LOW:
        with run.site.database.begin() as session:
            row = Urgency(study_key=run.key(1), level="stat", rule="score-stat",
                          application="mammo", report_key="none", at=run.clock.at)  # fmt: skip
            session.merge(row)


def moved_for_all(*_: object) -> ColumnElement[int]:
    return case((Urgency.study_key.is_(None), 0), else_=1)


def ordered(name: str) -> Callable[[Programme, pytest.MonkeyPatch], None]:
    """What is urgent comes first, whoever looks."""

    def plant(run: Programme, patch: pytest.MonkeyPatch) -> None:
        urgent(run)
        patch.setattr(name, moved_for_all)

    return plant


def reasoned(run: Programme, patch: pytest.MonkeyPatch) -> None:
    """The line of a hidden exam says why it is urgent."""
    urgent(run)

    def with_reason(study, item, programme):
        row = to_read(study, item, programme)
        with run.site.database.read() as session:
            return replace(row, urgency=session.get(Urgency, study.key))

    patch.setattr("gransk.web.worklist.to_read", with_reason)


sort, counts, to_read = worklist._sort, worklist._counts, worklist.to_read
CORRECTION = "PUT /api/reading/exams/{key}/correction"
METRICS, STATISTICS = "GET /tools/metrics-prometheus", "GET /statistics"
FIND, GET = (
    "StudyRootQueryRetrieveInformationModelFind",
    "StudyRootQueryRetrieveInformationModelGet",
)


def http(*doors: str) -> Callable[[Programme], Answers]:
    return lambda run: blinding_orthanc.look(run, run.orthanc.folder, frozenset(doors))


def dicom(*services: str) -> Callable[[Programme], Answers]:
    return lambda run: blinding_dicom.look(run, run.peers, services=services)


LEAKS = {
    "page": page("GET /studies/{key}", patched("gransk.web.case.sees_all", lambda *_: True)),
    "REST": page("GET /api/studies/{key}", patched("gransk.web.api.sees_all", lambda *_: True)),
    "refusal": page(
        "POST /studies/{key}/priority",
        patched("gransk.web.case_actions.check_sight", lambda *_: None),
    ),
    "rows": page("GET /api/worklist", patched("gransk.web.worklist.hidden", lambda *_: false())),
    "order": page(
        "GET /api/worklist", patched("gransk.web.worklist._sort", lambda name, _: sort(name, None))
    ),
    "count": page(
        "GET /",
        patched(
            "gransk.web.worklist._counts", lambda session, query, _: counts(session, query, None)
        ),
    ),
    "metric of ours": page("GET /status", patched("gransk.web.status.hidden", lambda *_: false())),
    "case history": page(
        "GET /studies/{key}/history",
        patched("gransk.web.case_history.check_sight", lambda *_: None),
    ),
    "entries as a file": page(
        "POST /audit/export", patched("gransk.web.audit_pages.event_horizon", lambda *_: None)
    ),
    "event list": page("GET /events", patched("gransk.web.pages.event_horizon", lambda *_: None)),
    "own list": page("GET /reading/{key}", patched("gransk.reading.desk.sight", everything)),
    "history": page(
        "GET /reading/board/exams/{key}",
        patched("gransk.web.reading.exam_history._sight", everything),
    ),
    "board": page("GET /reading/board", patched("gransk.reading.lists.hidden", lambda *_: false())),
    "what the board permits": page(
        "GET /reading/board/exams/{key}/{what}",
        patched("gransk.web.reading.overseeing.sight", everything),
    ),
    "urgent order": page("GET /api/worklist", ordered("gransk.web.worklist._moved")),
    "reason": page("GET /", reasoned),
    "urgent in the own list": page("GET /reading", ordered("gransk.reading.lists.rank_of_task")),
    "workitems": page(
        "GET /dicom-web/workitems",
        patched("gransk.web.workitem_views.shown", lambda *_: true()),
    ),
    "event channel": page(
        "WEBSOCKET /dicom-web/subscribers/{aetitle}",
        patched("gransk.web.workitem_views.shown", lambda *_: true()),
    ),
    "message": Leak(READ_IN, told, lambda run: blinding_messages.look(run, "-leak")),
    "log": Leak(LOG, written, lambda run: blinding_messages.outputs(run).at(LOG)),
    # From here on results are in the archive
    "proxy": page("GET /dicom-web/{path:path}", proxied),
    "Orthanc's HTTP": Leak("Orthanc GET /changes", let_in, http("GET /changes")),
    "metric of Orthanc's": Leak(f"Orthanc {METRICS}", let_in, http(METRICS)),
    "instance count": Leak(f"Orthanc {STATISTICS}", let_in, http(STATISTICS)),
    "C-FIND": Leak(f"DICOM {FIND}", let_in, dicom(FIND)),
    "C-GET": Leak(f"DICOM {GET}", let_in, dicom(GET)),
    "storage commitment": Leak(
        "DICOM StorageCommitmentPushModel", let_in, dicom("StorageCommitmentPushModel")
    ),
    "FHIR to a machine": Leak(FHIR, released, lambda run: blinding_messages.outputs(run).at(FHIR)),
    "delivery": Leak(DELIVERED, released, lambda run: blinding_messages.outputs(run).at(DELIVERED)),
    "drift": page("GET /monitoring/drift", drifted),
    "destinations": page(
        "GET /deliveries",
        patched("gransk.web.delivery_pages.hides_from", lambda *_: lambda _key: false()),
    ),
    "destinations by REST": page(
        "GET /api/deliveries",
        patched("gransk.web.delivery_pages.hides_from", lambda *_: lambda _key: false()),
    ),
    "FHIR reports": page("GET /fhir/DiagnosticReport", answered),
    "FHIR tasks": page(
        "GET /fhir/Task/{ident}",
        patched("gransk.web.fhir_tasks.hides_from", lambda *_: lambda _key: false()),
    ),
    "findings told": Leak(
        MESSAGES, released, lambda run: blinding_messages.outputs(run).at(MESSAGES)
    ),
    # From here on the exam of one reader is decided
    "correction": Leak(
        CORRECTION,
        corrected,
        lambda run: blinding_look.last(run).at(CORRECTION),
    ),
    "what was read": Leak(
        "GET /reading/{key}",
        patched("gransk.reading.sight.held_from", lambda *_: frozenset()),
        lambda run: blinding_look.look(
            run, ["GET /reading/{key}"], ended=False, names=sorted(run.exam(1).readers)
        ),
    ),
}


@contextmanager
def planted(leak: Leak, run: Programme) -> Iterator[None]:
    patch = pytest.MonkeyPatch()
    try:
        leak.plant(run, patch)
        yield
    finally:
        patch.undo()


@pytest.fixture(scope="module")
def leaking(living) -> dict[str, list[Answers | LeakError]]:
    """What each of two runs answers while each leak is planted."""
    found: dict[str, list[Answers | LeakError]] = {name: [] for name in LEAKS}
    for ai in (Ai.LOW, Ai.LATE):
        with living(ai) as run:
            for name, leak in LEAKS.items():
                with planted(leak, run):
                    try:
                        found[name].append(leak.look(run))
                    except LeakError as error:
                        found[name].append(error)
    return found


@pytest.mark.parametrize("name", LEAKS)
def test_a_planted_leak_turns_the_suite_red(leaking, name):
    with pytest.raises(LeakError) as error:
        _checked(*leaking[name])
    assert LEAKS[name].door in str(error.value)


def _checked(one: Answers | LeakError, other: Answers | LeakError) -> None:
    for answers in (one, other):
        if isinstance(answers, LeakError):
            raise answers
    compare(one, other)  # type: ignore[arg-type]
