"""The AI's opinion is sealed before people read, and a seal that was touched is found."""

from __future__ import annotations

import datetime
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from reading_room import NORMAL, RECALL, plan
from reading_site import Site, findings, mark
from sqlalchemy import select, text

from gransk.core.reasons import Reason
from gransk.reading.entries import Kind
from gransk.reading.exam import State
from gransk.reading.exam_tables import EntryRow
from gransk.reading.ledger import broken_seals
from gransk.reading.opinions import AiOpinion, AiSaid, seal, verify
from gransk.reading.plan import PolicyKind
from gransk.results.blobs import BlobStore
from gransk.results.tables import WorkState
from gransk.site.database import Database
from gransk.site.migrate import upgrade

pytestmark = pytest.mark.blinding


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    database = Database(f"sqlite:///{tmp_path}/test.db")
    upgrade(database)
    found = Site(database, BlobStore(tmp_path / "blobs"))
    found.unit()
    found.policies.how = lambda exam: plan(
        PolicyKind.REPLACE_READER
        if exam.ai is not None and exam.ai.opinion.said is not AiSaid.NO_OPINION
        else PolicyKind.DOUBLE_READING
    )
    yield found
    database.close()


def read_exam(site: Site, score: float | None = 9.0) -> str:
    """An exam whose AI's opinion was sealed, and that somebody has read."""
    if score is None:
        key = site.study(WorkState.NOT_ANALYSED)
        site.change(key, reason=Reason.TIME_LIMIT.value)
    else:
        key = site.study()
        site.analysed(key, findings(score, mark()))
    site.run()
    site.run(31)
    site.read(key, RECALL)
    return key


def row(site: Site, key: str, kind: Kind) -> EntryRow:
    with site.database.read() as session:
        query = select(EntryRow).where(EntryRow.study_key == key, EntryRow.kind == kind.value)
        return session.scalars(query).one()


def touch(site: Site, number: int, content: dict[str, Any]) -> None:
    """Change an entry behind the program's back, as who owns the database could."""
    with site.database.begin() as session:
        session.execute(text("DROP TRIGGER IF EXISTS reading_entry_no_update"))
        session.execute(
            text("UPDATE reading_entry SET content = :c WHERE number = :n"),
            {"c": json.dumps(content), "n": number},
        )


def broken(site: Site) -> list[int]:
    with site.database.read() as session:
        return broken_seals(session)


@pytest.mark.parametrize("score", [9.0, 2.0, None])
def test_an_opinion_is_sealed_before_the_exam_opens(site: Site, score: float | None) -> None:
    """No opinion too, with its reason; every read names the seal that stood."""
    key = read_exam(site, score)
    kinds = site.kinds(key)
    assert kinds.index(Kind.AI_SEALED) < kinds.index(Kind.OPENED) < kinds.index(Kind.READ)
    sealed = row(site, key, Kind.AI_SEALED)
    opinion = AiOpinion.model_validate(sealed.content["opinion"])
    assert verify(sealed.content["seal"], opinion)
    assert opinion.said is (
        AiSaid.NO_OPINION if score is None else AiSaid.RECALL if score > 8 else AiSaid.NORMAL
    )
    assert (opinion.reason == Reason.TIME_LIMIT) is (score is None)
    assert row(site, key, Kind.READ).content["seal"] == sealed.content["seal"]
    assert opinion.sealed_at <= sealed.at < row(site, key, Kind.OPENED).at
    assert broken(site) == []


def test_a_score_changed_afterwards_is_found(site: Site) -> None:
    key = read_exam(site)
    sealed = row(site, key, Kind.AI_SEALED)
    content = dict(sealed.content)
    content["opinion"] = content["opinion"] | {"exam_score": 2.0}
    touch(site, sealed.number, content)
    assert broken(site) == [sealed.number]


def test_an_opinion_sealed_anew_is_found_by_the_reads_that_name_another(site: Site) -> None:
    """Whoever changes the opinion and its hash leaves the reads with the hash that stood."""
    key = read_exam(site)
    sealed = row(site, key, Kind.AI_SEALED)
    opinion = AiOpinion.model_validate(sealed.content["opinion"] | {"exam_score": 2.0})
    touch(site, sealed.number,
          {"opinion": opinion.model_dump(mode="json"), "seal": seal(opinion)})  # fmt: skip
    assert broken(site) == [row(site, key, Kind.READ).number]


def test_an_opinion_that_was_put_in_after_opening_is_found(site: Site) -> None:
    key = read_exam(site, None)
    opened, sealed = row(site, key, Kind.OPENED), row(site, key, Kind.AI_SEALED)
    with site.database.begin() as session:
        session.execute(text("DROP TRIGGER reading_entry_no_update"))
        for number, place in ((opened.number, 90), (sealed.number, opened.place),
                              (opened.number, sealed.place)):  # fmt: skip
            session.execute(
                text("UPDATE reading_entry SET place = :p WHERE number = :n"),
                {"p": place, "n": number},
            )
    assert sealed.number in broken(site)


def test_a_late_opinion_is_no_seal(site: Site) -> None:
    """It is kept beside, counts nowhere, and no read names it."""
    site.policies.how = lambda exam: plan(PolicyKind.SHADOW)
    key = site.study()
    site.run(31)
    site.analysed(key, findings(9.0, mark()))
    site.run(1)
    assert Kind.LATE_AI in site.kinds(key)
    site.read(key, NORMAL, NORMAL)
    assert site.exam(key).state is State.DECIDED
    with site.database.read() as session:
        reads = select(EntryRow).where(EntryRow.study_key == key, EntryRow.kind == "read")
        assert [one.content["seal"] for one in session.scalars(reads)] == ["", ""]
    assert site.at > datetime.datetime(2026, 3, 2, tzinfo=datetime.UTC)
    assert broken(site) == []
