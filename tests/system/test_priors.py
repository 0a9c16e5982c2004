"""Earlier studies from a second real Orthanc as the remote PACS, by DIMSE and by DICOMweb."""

import datetime
import io
import socket
import sys
import threading
import time
from pathlib import Path

import pytest
from free_ports import free_port
from harness_orthanc import OrthancProcess, make_config, store_scu
from pydicom import dcmread
from sqlalchemy import select

sys.path.insert(0, str(Path(__file__).parents[1] / "archive"))

from follower import FollowUpSite
from tiny import Site, TinyStudy

from gransk.archive import patients, priors
from gransk.archive.prior_fetch import (
    MismatchError,
    PriorFetcher,
    make_remotes,
    recover,
)
from gransk.archive.prior_removal import PriorRemover
from gransk.archive.remote import RemoteError, RemoteGoneError
from gransk.archive.studies import BACKLOG
from gransk.archive.tables import (
    FetchState,
    PriorFetch,
    PriorSearch,
    Purpose,
    SearchState,
    SeenStudy,
)
from gransk.core.reasons import Reason
from gransk.oversight.doctor import Level
from gransk.oversight.doctor_orthanc import check_prior_archives
from gransk.pipeline.analyse import open_rows
from gransk.results.tables import Workitem, WorkState
from gransk.site.config import PriorsSection
from gransk.site.database import utcnow
from gransk.site.tables import Event

pytestmark = pytest.mark.system
KINDS = ("dimse", "dicomweb")


@pytest.fixture(scope="module")
def pacs_config(tmp_path_factory):
    return make_config(tmp_path_factory.mktemp("pacs"), orthanc={"aet": "PACS"})


@pytest.fixture(scope="module")
def ours(tmp_path_factory, pacs_config):
    folder = tmp_path_factory.mktemp("ours")
    door = pacs_config.orthanc
    archive = {
        "name": "pacs",
        "kind": "dimse",
        "aet": door.aet,
        "host": "127.0.0.1",
        "port": door.dicom_port,
    }
    process = OrthancProcess(make_config(folder, priors={"archives": [archive]}), folder / "o")
    yield process.start()
    process.stop()


@pytest.fixture(scope="module")
def pacs(pacs_config, ours):
    door = ours.config.orthanc
    us = {"AET": door.aet, "Host": "127.0.0.1", "Port": door.dicom_port}
    us |= {"AllowEcho": True, "AllowFind": True, "AllowMove": True, "AllowStore": True}
    folder = pacs_config.data_folder.parent / "o"
    process = OrthancProcess(pacs_config, folder, {"DicomModalities": {"us": us}})
    yield process.start()
    process.stop()


class Hospital:
    """Our site, a PACS, and everything that looks for earlier studies, turned by hand."""

    def __init__(self, ours, pacs, folder, kind, **section):
        for process in (ours, pacs):
            for study in process.client.study_ids():
                process.client.delete_study(study)
        self.ours, self.pacs, self.kind = ours, pacs, kind
        self.archive = {"name": "pacs", "kind": kind, "timeout_seconds": 5}
        door = pacs.config.orthanc
        if kind == "dimse":
            self.archive |= {"aet": door.aet, "host": "127.0.0.1", "port": door.dicom_port}
        else:
            self.archive |= {"url": f"{door.url}/dicom-web", "username": door.username}
            self.archive |= {"password_file": str(door.password_file)}
        self.folder = folder
        self.make(**section)

    def make(self, **section):
        values = {"archives": [self.archive]} | section
        self.section = PriorsSection.model_validate(values)
        site = Site(self.ours, self.folder)
        self.config = site.config.model_copy(update={"priors": self.section})
        self.remotes = make_remotes(self.config, self.ours.client)
        self.site = FollowUpSite(site, self.remotes, **values)
        self.database = self.site.database
        (remote,) = self.remotes
        self.fetcher = PriorFetcher(self.config, self.database, self.ours.client, remote)
        self.remover = PriorRemover(
            self.database, self.ours.client, self.remotes, self.site.handlers
        )

    def in_pacs(self, date, study=None, **attributes):
        """A study in the PACS; its UID."""
        study = study or TinyStudy()
        values = {"StudyDate": date, "StudyDescription": "Chest CT", **attributes}
        for content in study.images(**values):
            self.pacs.client.store(content)
        return study.uid

    def turn(self):
        """Search, fetch and take in until nothing moves any more."""
        self.site.search()
        self.fetcher.run_once()
        self.site.intake.run_once()
        self.site.search()

    def fetch(self, uid):
        with self.database.read() as session:
            return session.get(PriorFetch, uid)

    def seen(self, uid):
        with self.database.read() as session:
            query = select(SeenStudy).where(SeenStudy.study_instance_uid == uid)
            return session.scalars(query).one_or_none()

    def here(self, uid):
        return self.ours.client.find_study(uid)

    def told(self, key):
        with self.database.read() as session:
            return [(t.reason, t.detail) for t in priors.not_compared(session, key)]

    def usable(self, key):
        with self.database.read() as session:
            return [ref.study_instance_uid for ref in priors.usable(session, key)]

    def events(self, kind):
        with self.database.read() as session:
            return list(session.scalars(select(Event.subject).where(Event.kind == kind)))


@pytest.fixture(params=KINDS)
def hospital(request, ours, pacs, tmp_path):
    one = Hospital(ours, pacs, tmp_path, request.param)
    yield one
    one.database.close()


def test_a_prior_is_found_marked_fetched_and_analysed_first(hospital, monkeypatch):
    uid = hospital.in_pacs("20230101")
    hospital.in_pacs("20220101", StudyDescription="Knee")
    hospital.in_pacs("20220101", TinyStudy(patient_id="P2"))
    current = hospital.site.send("20240101")
    hospital.site.search()
    assert hospital.site.priors(current) == [("20230101", "wanted", None)]
    assert hospital.told(current) == [(Reason.PRIOR_LATE, "pacs")]

    marked = []
    begin = hospital.remotes[0].retrieve

    def retrieve(uid, visit):
        marked.append((hospital.fetch(uid).state, hospital.here(uid)))
        begin(uid, visit)
        hospital.site.intake.run_once()  # the watcher may see it before the fetch has ended
        marked.append(hospital.seen(uid).purpose)

    monkeypatch.setattr(hospital.remotes[0], "retrieve", retrieve)
    hospital.fetcher.run_once()
    assert marked == [(FetchState.RUNNING, None), Purpose.PRIOR]
    with hospital.database.read() as session:
        assert session.scalars(select(Workitem.study_key)).all() == [current], "not whole yet"

    hospital.turn()
    assert hospital.usable(current) == [uid]
    prior = hospital.seen(uid)
    assert (prior.purpose, prior.images) == (Purpose.PRIOR, 3)
    assert hospital.events("prior_fetched") == [current]
    with hospital.database.read() as session:
        assert session.get(PriorSearch, prior.key) is None, "a prior has no search of its own"
        (row,) = open_rows(session)
        assert session.get_one(Workitem, row.arguments[0]).study_key == prior.key
    held = hospital.ours.client.instances(prior.orthanc_id)
    stored = [dcmread(io.BytesIO(hospital.ours.client.file(one.orthanc_id))) for one in held]
    assert sorted(image.InstanceNumber for image in stored) == [1, 2, 3]
    hospital.site.analysed(prior.key, report=False)
    with hospital.database.read() as session:
        (row,) = open_rows(session)
        assert session.get_one(Workitem, row.arguments[0]).study_key == current


def test_another_patient_is_refused_before_and_after_fetching(hospital):
    listed = hospital.in_pacs("20230101", PatientBirthDate="19610101")
    hidden = TinyStudy()
    hospital.in_pacs("20220101", hidden, IssuerOfPatientID="ELSEWHERE")
    current = hospital.site.send("20240101")
    hospital.turn()
    reasons = {reason for reason, _ in hospital.told(current)}
    assert reasons == {Reason.PRIOR_IDENTITY_MISMATCH}
    assert hospital.fetch(listed) is None
    assert hospital.usable(current) == []
    assert hospital.here(listed) is None
    assert hospital.here(hidden.uid) is None
    with hospital.database.read() as session:
        assert [item.study_key for item in session.scalars(select(Workitem))] == [current]


def test_one_image_of_another_patient_refuses_the_whole_study(hospital):
    study = TinyStudy()
    hospital.in_pacs("20230101", study)
    hospital.pacs.client.store(study.image(4, StudyDate="20230101", IssuerOfPatientID="ELSEWHERE"))
    current = hospital.site.send("20240101")
    hospital.turn()
    assert hospital.told(current) == [(Reason.PRIOR_IDENTITY_MISMATCH, "pacs")]
    assert hospital.here(study.uid) is None
    assert hospital.fetch(study.uid).state == FetchState.FAILED


def test_a_fetched_study_goes_after_its_time_and_its_findings_stay(hospital):
    uid = hospital.in_pacs("20230101")
    current = hospital.site.send("20240101")
    hospital.turn()
    prior = hospital.seen(uid)
    for key in (prior.key, current):
        hospital.site.analysed(key, report=key == current)
    hospital.remover.run_once()
    assert hospital.here(uid) is not None, "its time has not come"
    with hospital.database.begin() as session:
        session.get_one(PriorFetch, uid).remove_at = utcnow()
    hospital.remover.run_once()
    assert hospital.here(uid) is None
    assert hospital.seen(uid).deleted_at is not None
    hospital.site.intake._watch.count_soon()
    hospital.site.intake.run_once()
    hospital.turn()
    assert hospital.events("prior_removed") == [prior.key]
    assert hospital.events("study_deleted") == []
    assert hospital.told(current) == [(Reason.PRIOR_GONE, "pacs")]
    with hospital.database.read() as session:
        assert [ref.study_key for ref in priors.removed(session, current)] == [prior.key]
        item = hospital.site.item(session, prior.key)
        assert (item.state, item.analysis_key) == (WorkState.READY, "a" * 64)
        assert hospital.site.item(session, current).attempt == 0, "nothing to report anew"
    newer = hospital.site.send("20250101")
    hospital.turn()
    assert hospital.usable(newer)[-1] == uid, "it is fetched again for another study"
    assert hospital.seen(uid).key == prior.key


def test_a_study_in_use_is_not_removed(hospital):
    uid = hospital.in_pacs("20230101")
    hospital.site.send("20240101")
    hospital.turn()
    with hospital.database.begin() as session:
        session.get_one(PriorFetch, uid).remove_at = utcnow()
    hospital.remover.run_once()
    assert hospital.here(uid) is not None
    assert hospital.fetch(uid).remove_at > utcnow()


def test_a_fetched_study_that_is_sent_for_reading_is_read_and_stays(hospital, tmp_path):
    study = TinyStudy()
    uid = hospital.in_pacs("20230101", study)
    current = hospital.site.send("20240101")
    hospital.turn()
    prior = hospital.seen(uid)
    hospital.site.analysed(prior.key, report=False)
    time.sleep(1.1)  # Orthanc notes changes to the second
    values = {"StudyDate": "20230101", "StudyDescription": "Chest CT"}
    for number, content in enumerate(study.images(**values)):
        (tmp_path / f"{number}.dcm").write_bytes(content)
    sent = [tmp_path / f"{number}.dcm" for number in range(3)]
    assert store_scu(hospital.ours.config, sent) == [0, 0, 0]
    hospital.site.intake.run_once()
    hospital.turn()
    assert hospital.seen(uid).purpose == Purpose.READING
    assert hospital.fetch(uid).state == FetchState.KEPT
    with hospital.database.read() as session:
        item = hospital.site.item(session, prior.key)
        assert item.state == WorkState.WAITING, "a report is wanted now"
        assert (item.generation, item.attempt) != (0, 0)
        assert session.get(PriorSearch, prior.key) is not None
    assert hospital.usable(current) == [uid]
    with hospital.database.begin() as session:
        session.get_one(PriorFetch, uid).remove_at = utcnow()
    hospital.remover.run_once()
    assert hospital.here(uid) is not None


def test_a_fetch_that_was_cut_is_asked_for_again(hospital, monkeypatch):
    study = TinyStudy(expected=5)
    uid = hospital.in_pacs("20230101", study)
    current = hospital.site.send("20240101")
    hospital.site.search()
    with hospital.database.begin() as session:  # as a crash in the middle leaves it
        fetch = session.get_one(PriorFetch, uid)
        fetch.state, fetch.attempts = FetchState.RUNNING, 1
    store = [study.image(1, StudyDate="20230101", StudyDescription="Chest CT")]
    for content in store:
        hospital.ours.client.store(content)
    hospital.site.intake.run_once()
    assert hospital.seen(uid).purpose == Purpose.PRIOR
    recover(hospital.database, hospital.remotes)
    assert hospital.fetch(uid).state == FetchState.WAITING
    hospital.turn()
    if hospital.kind == "dimse":  # the one image came by our own hands in this test
        hospital.site.intake.run_once()
    assert hospital.usable(current) == [uid]
    assert hospital.seen(uid).images == 5


@pytest.mark.parametrize("kind", KINDS)
def test_a_silent_archive_costs_only_the_prior(ours, pacs, tmp_path, kind):
    hospital = Hospital(ours, pacs, tmp_path, kind)
    hospital.archive |= {"timeout_seconds": 1}
    closed = free_port()
    hospital.archive |= (
        {"port": closed} if kind == "dimse" else {"url": f"http://127.0.0.1:{closed}"}
    )
    hospital.make()
    uid = hospital.in_pacs("20230101")
    current = hospital.site.send("20240101")
    hospital.site.search()
    assert hospital.told(current) == [(Reason.PRIOR_UNREACHABLE, "pacs")]
    with hospital.database.begin() as session:
        assert priors.awaited(session, current), "it is tried once more"
        search = session.get_one(PriorSearch, current)
        assert search.next_at > utcnow()
        search.next_at = utcnow()
    hospital.site.searcher._silent.clear()
    hospital.site.search()
    with hospital.database.begin() as session:
        assert not priors.awaited(session, current)
        assert [row.arguments[0] for row in open_rows(session)] == [
            hospital.site.item(session, current).id
        ]
        session.get_one(PriorSearch, current).next_at = utcnow()
    hospital.site.analysed(current)
    door = pacs.config.orthanc  # it is back
    hospital.archive |= {"timeout_seconds": 5}
    hospital.archive |= (
        {"port": door.dicom_port} if kind == "dimse" else {"url": f"{door.url}/dicom-web"}
    )
    hospital.make()
    hospital.turn()
    assert hospital.usable(current) == [uid]
    assert hospital.told(current) == []
    hospital.database.close()


@pytest.mark.parametrize("kind", KINDS)
def test_an_archive_that_answers_garbage_costs_only_the_prior(ours, pacs, tmp_path, kind):
    with socket.create_server(("127.0.0.1", 0)) as door:
        stop = threading.Event()

        def babble():
            door.settimeout(0.2)
            while not stop.is_set():
                try:
                    peer, _ = door.accept()
                except TimeoutError:
                    continue
                peer.sendall(b"\x00\xff" * 500)
                peer.close()

        thread = threading.Thread(target=babble)
        thread.start()
        hospital = Hospital(ours, pacs, tmp_path, kind)
        port = door.getsockname()[1]
        hospital.archive |= {"timeout_seconds": 1}
        hospital.archive |= (
            {"port": port} if kind == "dimse" else {"url": f"http://127.0.0.1:{port}"}
        )
        hospital.make()
        for ask in (hospital.remotes[0].echo, lambda: hospital.remotes[0].find("P1")):
            with pytest.raises(RemoteError):
                ask()
        current = hospital.site.send("20240101")
        hospital.site.search()
        assert hospital.told(current) == [(Reason.PRIOR_UNREACHABLE, "pacs")]
        stop.set()
        thread.join()
        hospital.database.close()


def test_what_the_archive_held_before_asks_no_remote_archive(hospital):
    hospital.in_pacs("20230101")
    current = hospital.site.send("20240101")
    with hospital.database.begin() as session:
        session.get_one(SeenStudy, current).priority = BACKLOG
    hospital.turn()
    assert hospital.site.priors(current) == []


def test_the_archive_answers_an_echo(hospital):
    hospital.remotes[0].echo()


def test_a_study_that_the_archive_has_no_more_is_gone(hospital):
    uid = hospital.in_pacs("20230101")
    current = hospital.site.send("20240101")
    hospital.site.search()
    hospital.pacs.client.delete_study(hospital.pacs.client.find_study(uid))
    hospital.turn()
    assert hospital.told(current) == [(Reason.PRIOR_GONE, "pacs")]


def test_the_doctor_looks_at_the_archives(hospital):
    def seen():
        return [(result.seen, result.level) for result in check_prior_archives(hospital.config)]

    assert seen() == [("prior_archive_good", Level.OK)]
    hospital.archive |= (
        {"aet": "OTHER"} if hospital.kind == "dimse" else {"url": "http://127.0.0.1:9/dicom-web"}
    )
    hospital.make()
    assert seen() == [("prior_archive_silent", Level.WARN)]


def test_a_joined_identifier_is_asked_of_the_archive(hospital):
    uid = hospital.in_pacs("20230101", PatientID="P-OLD")
    current = hospital.site.send("20240101")
    hospital.turn()
    assert hospital.site.priors(current) == []
    with hospital.database.begin() as session:
        patients.join(session, ("P1", ""), ("P-OLD", ""), "anna", current)
        priors.ask_for_patient(session, "P1", "")
    hospital.turn()
    assert hospital.usable(current) == [uid]
    with hospital.database.begin() as session:
        (link,) = patients.links(session, ("P1", ""))
        priors.ask_for_patient(session, "P1", "")
        patients.part(session, link.id, "anna", current)
    hospital.turn()
    assert hospital.usable(current) == []


def test_another_archive_gives_what_the_first_has_no_more(ours, pacs, tmp_path, monkeypatch):
    hospital = Hospital(ours, pacs, tmp_path, "dimse")
    door = pacs.config.orthanc
    vna = {"name": "vna", "kind": "dicomweb", "url": f"{door.url}/dicom-web"}
    vna |= {"username": door.username, "password_file": str(door.password_file)}
    values = {"archives": [hospital.archive, vna]}
    config = hospital.config.model_copy(update={"priors": PriorsSection.model_validate(values)})
    remotes = make_remotes(config, ours.client)
    hospital.site = FollowUpSite(hospital.site.site, remotes, **values)
    first, second = (PriorFetcher(config, hospital.database, ours.client, r) for r in remotes)

    def gone(uid, visit):
        raise RemoteGoneError("has no such study any more")

    monkeypatch.setattr(remotes[0], "retrieve", gone)
    uid = hospital.in_pacs("20230101")
    current = hospital.site.send("20240101")
    hospital.site.search()
    assert hospital.fetch(uid).sources == ["pacs", "vna"]
    second.run_once()
    assert hospital.fetch(uid).state == FetchState.WAITING, "the first is asked first"
    first.run_once()
    second.run_once()
    hospital.site.intake.run_once()
    hospital.site.search()
    assert hospital.usable(current) == [uid]
    hospital.database.close()


def test_what_comes_after_a_fetch_was_given_up(hospital, monkeypatch):
    study = TinyStudy()
    uid = hospital.in_pacs("20230101", study)
    current = hospital.site.send("20240101")
    hospital.site.search()
    with hospital.database.begin() as session:
        session.get_one(PriorFetch, uid).asked_at = utcnow() - datetime.timedelta(hours=25)

    def silent(uid, visit):
        raise RemoteError("does not answer")

    monkeypatch.setattr(hospital.remotes[0], "retrieve", silent)
    hospital.turn()
    assert hospital.fetch(uid).state == FetchState.FAILED
    assert hospital.told(current) == [(Reason.PRIOR_UNREACHABLE, "pacs")]
    values = {"StudyDate": "20230101", "StudyDescription": "Chest CT"}
    hospital.ours.client.store(study.image(1, **values))
    hospital.site.intake.run_once()
    assert hospital.seen(uid).purpose == Purpose.PRIOR
    with hospital.database.read() as session:
        assert session.scalars(select(Workitem.study_key)).all() == [current]
    hospital.remover.run_once()
    if hospital.kind == "dicomweb":  # as that archive's objects come, by our own hands
        assert hospital.here(uid) is None
    else:  # not as a C-MOVE would bring it: somebody sent it
        assert hospital.here(uid) is not None
        assert hospital.seen(uid).purpose == Purpose.READING


def test_a_study_taken_for_reading_while_it_comes_stays(hospital, monkeypatch):
    uid = hospital.in_pacs("20230101")
    hospital.site.send("20240101")
    hospital.site.search()
    retrieve = hospital.remotes[0].retrieve

    def interrupted(uid, visit):
        retrieve(uid, visit)
        hospital.site.intake.run_once()
        with hospital.database.begin() as session:
            seen = session.scalars(select(SeenStudy).where(SeenStudy.study_instance_uid == uid))
            priors.read(session, seen.one(), "anna")
        raise MismatchError("the worst that can follow")

    monkeypatch.setattr(hospital.remotes[0], "retrieve", interrupted)
    hospital.fetcher.run_once()
    hospital.remover.run_once()
    assert hospital.here(uid) is not None
    assert hospital.fetch(uid).state == FetchState.KEPT
    hospital.turn()
    assert hospital.seen(uid).purpose == Purpose.READING


def test_a_fault_of_ours_leaves_nothing_under_way(hospital, monkeypatch):
    uid = hospital.in_pacs("20230101")
    current = hospital.site.send("20240101")
    hospital.site.search()

    def broken(*_):
        raise ZeroDivisionError

    with monkeypatch.context() as patch:
        patch.setattr(hospital.remotes[0], "retrieve", broken)
        hospital.fetcher.run_once()
    fetch = hospital.fetch(uid)
    assert (fetch.state, fetch.attempts) == (FetchState.WAITING, 1)
    assert "ZeroDivisionError" in fetch.detail
    with hospital.database.begin() as session:
        session.get_one(PriorFetch, uid).next_at = utcnow()
    hospital.turn()
    assert hospital.usable(current) == [uid]

    second = hospital.site.send("20250101")
    with monkeypatch.context() as patch:
        patch.setattr(hospital.remotes[0], "find", broken)
        hospital.site.search()
        with hospital.database.begin() as session:
            search = session.get_one(PriorSearch, second)
            assert (search.state, search.attempts) == (SearchState.WAITING, 1)
            search.next_at, search.asked_at = utcnow(), utcnow() - datetime.timedelta(hours=25)
        hospital.site.search()
    with hospital.database.read() as session:
        assert session.get_one(PriorSearch, second).state == SearchState.DONE
