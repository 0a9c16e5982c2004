"""Fallen reports are kept, hidden or deleted, and come back."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path

import pydicom
import pytest
from sent_reports import STUDY, SentReports
from sqlalchemy import func, select

from gransk.delivery import deliver, trying
from gransk.delivery.destination import RefusedError, UnavailableError
from gransk.delivery.trying import Result
from gransk.results.commitment_tables import RejectionNote
from gransk.results.made import made_of
from gransk.results.store import withdraw_report
from gransk.results.tables import DeliveryState
from gransk.site.config_destinations import Superseded

OLD, NEW = "1" * 64, "2" * 64
KO = "1.2.840.10008.5.1.4.1.1.88.59"


class Archive:
    """Holds what it took, and what notes reject; one that is sent again comes back (IOCM)."""

    def __init__(self) -> None:
        self.held: dict[str, bytes] = {}
        self.notes: dict[str, bytes] = {}
        self.rejected: set[str] = set()
        self.error: Exception | None = None
        self.meanwhile = lambda: None

    def send(self, sop_instance_uid: str, content: bytes) -> None:
        if self.error is not None:
            raise self.error
        made = pydicom.dcmread(io.BytesIO(content))
        assert made.SOPInstanceUID == sop_instance_uid
        if made.SOPClassUID == KO:
            if sop_instance_uid not in self.notes:
                for item in made.ContentSequence:
                    for one in item.get("ReferencedSOPSequence", ()):
                        self.rejected.add(one.ReferencedSOPInstanceUID)
            assert self.notes.setdefault(sop_instance_uid, content) == content
        else:
            assert self.held.setdefault(sop_instance_uid, content) == content
            self.rejected.discard(sop_instance_uid)
        self.meanwhile()

    def remove(self, sop_instance_uid: str) -> None:
        self.held.pop(sop_instance_uid, None)

    @property
    def seen(self) -> set[str]:
        return set(self.held) - self.rejected


@pytest.fixture
def archive() -> Archive:
    return Archive()


@pytest.fixture
def site(tmp_path: Path, archive: Archive) -> Iterator[SentReports]:
    site = SentReports(tmp_path)
    site.destinations["pacs"] = archive
    yield site
    site.database.close()


def notes(site: SentReports) -> int:
    with site.database.read() as session:
        return session.scalar(select(func.count()).select_from(RejectionNote)) or 0


def withdraw(site: SentReports, key: str) -> None:
    with site.database.begin() as session:
        withdraw_report(session, key, "s" * 32)


def test_a_superseded_report_is_hidden_once_its_successor_has_arrived(
    site: SentReports, archive: Archive
) -> None:
    site.seal(OLD)
    site.send(OLD)
    site.seal(NEW)
    assert site.recall("hide") == []
    site.send(NEW)
    assert archive.seen == {"2.25.10", "2.25.11", "2.25.20", "2.25.21"}
    assert site.recall("hide") == [Result.RECALLED] * 2
    assert archive.seen == {"2.25.20", "2.25.21"}
    assert set(archive.held) > archive.seen, "hidden, not deleted"
    assert len(archive.notes) == notes(site) == 1
    assert site.states(OLD) == {DeliveryState.HIDDEN}
    (content,) = archive.notes.values()
    said = [
        one.get("TextValue", "") for one in pydicom.dcmread(io.BytesIO(content)).ContentSequence
    ]
    assert any(text.endswith(" 2.25.20") for text in said), "it names the report in their place"
    assert site.kinds().count("object_hidden") == 2


def test_a_note_is_known_as_ours_like_the_objects_that_it_rejects(
    site: SentReports, archive: Archive
) -> None:
    """So that whoever may not see results is not told of it either."""
    site.seal(OLD)
    site.send(OLD)
    withdraw(site, OLD)
    assert site.recall("hide") == [Result.RECALLED] * 2
    there = [pydicom.dcmread(io.BytesIO(one)) for one in (archive.held | archive.notes).values()]
    with site.database.read() as session:
        assert made_of(session, STUDY) == {
            (str(one.SeriesInstanceUID), str(one.SOPInstanceUID)) for one in there
        }
    assert len(there) == 3


@pytest.mark.parametrize(
    ("policy", "state", "kind", "seen"),
    [
        ("keep", DeliveryState.KEPT, "object_kept", {"2.25.10", "2.25.11"}),
        ("hide", DeliveryState.HIDDEN, "object_hidden", set()),
        ("delete", DeliveryState.RECALLED, "object_recalled", set()),
    ],
)
def test_a_withdrawn_report_falls_at_once_and_comes_back(
    site: SentReports,
    archive: Archive,
    policy: Superseded,
    state: DeliveryState,
    kind: str,
    seen: set[str],
) -> None:
    site.seal(OLD)
    site.send(OLD)
    first = dict(archive.held)
    for times in (1, 2):
        withdraw(site, OLD)
        assert site.recall(policy) == [Result.RECALLED] * 2
        assert archive.seen == seen
        assert site.states(OLD) == {state}
        assert site.kinds().count(kind) == 2 * times
        site.seal(OLD)
        assert site.send(OLD) == [Result.SENT] * 2
        assert archive.held == first, "the same bytes"
        assert archive.seen == set(first)
    assert notes(site) == (2 if policy == "hide" else 0)


def test_a_note_whose_sending_was_cut_off_is_sent_again_byte_for_byte(
    site: SentReports, archive: Archive
) -> None:
    site.seal(OLD)
    site.send(OLD)
    withdraw(site, OLD)

    def killed() -> None:
        archive.meanwhile = lambda: None
        raise KeyboardInterrupt

    archive.meanwhile = killed
    with pytest.raises(KeyboardInterrupt):
        site.recall("hide")
    assert site.states(OLD) == {DeliveryState.RECALL}
    assert site.recall("hide") == [Result.RECALLED] * 2
    assert len(archive.notes) == notes(site) == 1


def test_what_is_hidden_while_its_report_returns_is_sent_again(
    site: SentReports, archive: Archive
) -> None:
    site.seal(OLD)
    site.send(OLD)
    withdraw(site, OLD)

    def returns() -> None:
        archive.meanwhile = lambda: None
        site.seal(OLD)
        site.send(OLD)

    archive.meanwhile = returns
    assert set(site.recall("hide")) == {Result.UNWANTED}
    while site.send(OLD):
        pass
    assert site.states(OLD) == {DeliveryState.SENT}
    assert archive.seen == {"2.25.10", "2.25.11"}


def test_a_note_that_comes_after_its_report_returned_hides_nothing(
    site: SentReports, archive: Archive, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The objects were sent anew while the note was on its way."""
    site.seal(OLD)
    site.send(OLD)
    withdraw(site, OLD)
    take = archive.send

    def returns_first(sop_instance_uid: str, content: bytes) -> None:
        monkeypatch.setattr(archive, "send", take)
        site.seal(OLD)
        assert site.send(OLD) == [Result.SENT] * 2
        take(sop_instance_uid, content)

    monkeypatch.setattr(archive, "send", returns_first)
    assert set(site.recall("hide")) == {Result.UNWANTED}
    assert archive.seen == set()
    assert site.send(OLD) == [Result.SENT] * 2
    assert archive.seen == {"2.25.10", "2.25.11"}


def test_what_arrives_after_it_was_hidden_is_hidden_again(
    site: SentReports, archive: Archive
) -> None:
    """A try that hung ends late, and brings the object back into sight."""
    site.seal(OLD)
    site.send(OLD)
    late = site.lines(OLD)[0]
    withdraw(site, OLD)
    site.seal(OLD)

    def falls() -> None:
        archive.meanwhile = lambda: None
        withdraw(site, OLD)
        site.recall("hide")
        archive.rejected.discard(late.sop_instance_uid)

    archive.meanwhile = falls
    now = site.lines(OLD)[0]
    result, *_ = deliver.send_once(
        site.database, site.blobs, site.destinations, now.id, now.attempt
    )
    assert result == Result.UNWANTED
    assert site.recall("hide") == [Result.RECALLED]
    assert archive.seen == set()


def test_what_may_be_there_falls_too_though_it_waits_or_failed(
    site: SentReports, archive: Archive
) -> None:
    site.seal(OLD)
    site.send(OLD)
    line = site.lines(OLD)[0]
    with site.database.begin() as session:
        assert trying.fail(session, line.id, line.attempt, "not committed", DeliveryState.SENT)
    withdraw(site, OLD)
    assert site.states(OLD) == {DeliveryState.RECALL}
    assert site.recall("hide") == [Result.RECALLED] * 2
    assert archive.seen == set()


@pytest.mark.parametrize("error", [UnavailableError("down"), RefusedError("no notes here")])
def test_a_note_that_does_not_arrive_is_told(
    site: SentReports, archive: Archive, error: Exception
) -> None:
    site.seal(OLD)
    site.send(OLD)
    withdraw(site, OLD)
    archive.error = error
    wanted = Result.UNAVAILABLE if isinstance(error, UnavailableError) else Result.REFUSED
    assert site.recall("hide") == [wanted] * 2
    assert {line.error for line in site.lines(OLD)} == {str(error)}
    archive.error = None
    assert site.recall("hide") == [Result.RECALLED] * 2
    assert notes(site) == 1
