"""What arrives in a real Orthanc is noticed, waited for and handed over once."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import requests
from harness_orthanc import store_scu
from tiny import CT, DOSE_SR, SC, SEG, SR, Site, TinyStudy

from gransk.archive import intake as intake_module
from gransk.archive.orthanc import ArchiveUnavailableError, Orthanc
from gransk.archive.status import Cause, State
from gransk.archive.studies import BACKLOG, ROUTINE, URGENT
from gransk.archive.tables import Archive
from gransk.core.application import applications
from gransk.core.study import Study
from gransk.pipeline.handlers import Handlers, Rules

pytestmark = pytest.mark.system
Sites = Callable[..., Site]


def test_stored_by_c_store(site: Sites, tmp_path: Path) -> None:
    here, study = site(), TinyStudy()
    for number, content in enumerate(study.images()):
        (tmp_path / f"{number}.dcm").write_bytes(content)
    assert store_scu(here.process.config, sorted(tmp_path.glob("*.dcm"))) == [0, 0, 0]
    assert here.look(3) == ["submit"]
    row = here.row()
    assert (row.images, row.modalities, row.patient_id) == (3, ["CT"], "P1")
    assert row.study_instance_uid == study.uid
    assert study.uid not in row.key
    assert len(row.key) == 32


def test_stored_by_rest(site: Sites) -> None:
    here, study = site(), TinyStudy()
    here.send(*study.images())
    assert here.look(3) == ["submit"]


def test_stored_by_stow(site: Sites) -> None:
    here, study = site(), TinyStudy()
    orthanc = here.config.orthanc
    parts = b"".join(
        b"--cut\r\nContent-Type: application/dicom\r\n\r\n" + content + b"\r\n"
        for content in study.images()
    )
    answer = requests.post(
        f"{orthanc.url}{orthanc.dicomweb_root}/studies",
        data=parts + b"--cut--",
        headers={"Content-Type": 'multipart/related; type="application/dicom"; boundary=cut'},
        auth=(orthanc.username, orthanc.password()),
        timeout=20,
    )
    assert answer.status_code == 200
    assert here.look(3) == ["submit"]


def test_what_arrives_goes_before_what_lay_there(site: Sites) -> None:
    here, old, new = site(), TinyStudy("OLD"), TinyStudy("NEW")
    here.send(*old.images())
    here.look(2)
    urgent = TinyStudy("URGENT")
    here.send(*new.images(), *urgent.images(RequestedProcedurePriority="STAT"))
    here.look(2)
    priorities = {row.patient_id: row.priority for row in here.rows()}
    assert priorities == {"OLD": BACKLOG, "NEW": ROUTINE, "URGENT": URGENT}


def test_waits_until_quiet(site: Sites) -> None:
    here, study = site(quiet_seconds=60), TinyStudy()
    here.send(*study.images())
    assert here.look(3) == []
    assert here.row().images == 3
    assert here.row().pending


def test_waiting_time_is_used(site: Sites, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(intake_module, "PREPARE_SECONDS", 0.0)
    here, study = site(quiet_seconds=1), TinyStudy()
    here.send(*study.images())
    assert here.look(2) == []
    time.sleep(1)

    def late(self: Orthanc, instance_id: str) -> str:
        raise ArchiveUnavailableError("asked again")

    monkeypatch.setattr(Orthanc, "md5", late)
    assert here.look() == ["submit"]


def test_no_application_is_handed_over_too(site: Sites) -> None:
    here, study = site(), TinyStudy(expected=9)
    here.diary.accepts = False
    here.send(study.image(1))
    assert here.look(3) == ["submit"]


def test_incomplete_waits_longer_and_late_images_supersede(site: Sites) -> None:
    here, study = site(), TinyStudy()
    here.send(study.image(1), study.image(2))
    assert here.look(3) == []
    late = Site(here.process, here.folder, incomplete_after_seconds=0)
    assert late.look(2) == ["incomplete"]
    first = late.row().settled_fingerprint
    late.send(study.image(3))
    assert late.look(3) == ["submit"]
    assert late.row().settled_fingerprint != first
    assert "study_incomplete" in late.events()


def test_our_objects_and_dose_reports_start_nothing(site: Sites) -> None:
    here, study = site(), TinyStudy()
    others = [
        study.other(SR, "SR", Manufacturer="Gransk"),
        study.other(SEG, "SEG", Manufacturer="Gransk"),
        study.other(SC, "CT", Manufacturer="Gransk"),
        study.other(DOSE_SR, "SR"),
        study.other(SC, "CT", ImageType=["DERIVED", "SECONDARY", "SCREEN SAVE"]),
        study.other(CT, "CT", ImageType=["DERIVED", "SECONDARY"], SeriesDescription="Dose Report"),
    ]
    here.send(*others)
    assert here.look(3) == []
    assert here.row().settled_fingerprint == ""
    here.send(*study.images())
    assert here.look(3) == ["submit"]
    before = here.row().changed_at
    here.send(study.other(SR, "SR", Manufacturer="Gransk"))
    assert here.look(3) == []
    row = here.row()
    assert (row.images, row.instances, row.changed_at) == (3, 10, before)


def test_sent_again_unchanged_is_nothing_new(site: Sites) -> None:
    here, study = site(), TinyStudy()
    here.send(*study.images())
    assert here.look(2) == ["submit"]
    here.send(*study.images())
    assert here.look(3) == []


def test_same_uid_with_other_content(site: Sites) -> None:
    here, study = site(), TinyStudy()
    here.send(*study.images())
    here.look(2)
    here.send(study.image(2, value=7))
    assert here.look(3) == ["submit"]
    assert "study_changed" in here.events()


def test_deleted_is_withdrawn_and_sent_again_restored(site: Sites) -> None:
    here, study = site(reconcile_seconds=1e-6), TinyStudy()
    here.send(*study.images())
    here.look(2)
    key = here.row().key
    here.process.client.delete_study(here.row().orthanc_id)
    assert here.look(3) == ["withdraw"]
    assert here.row().deleted_at is not None
    here.send(*study.images())
    assert here.look(3) == ["restore"]
    assert (here.row().key, here.row().deleted_at) == (key, None)


def test_deleted_and_sent_again_between_two_looks(site: Sites) -> None:
    here, study = site(), TinyStudy()
    here.send(*study.images())
    here.look(2)
    here.process.client.delete_study(here.row().orthanc_id)
    here.send(*study.images())
    assert here.look(3) == ["withdraw", "restore"]
    assert here.row().deleted_at is None


def test_deletion_is_found_by_counting_after_a_nudge(site: Sites) -> None:
    here, study = site(), TinyStudy()
    here.send(*study.images())
    here.look(2)
    here.process.client.delete_study(here.row().orthanc_id)
    assert here.look(2) == []
    here.intake._watch.count_soon()
    assert here.look() == ["withdraw"]


def test_deleted_before_it_settled(site: Sites) -> None:
    here, study = site(quiet_seconds=60, reconcile_seconds=1e-6), TinyStudy()
    here.send(*study.images())
    here.look(2)
    here.process.client.delete_study(here.row().orthanc_id)
    assert here.look(2) == []
    assert here.row().deleted_at is not None


def test_one_image_deleted(site: Sites) -> None:
    here, study = site(incomplete_after_seconds=0), TinyStudy()
    here.send(*study.images())
    here.look(2)
    client = here.process.client
    client.delete_instance(client.instances(here.row().orthanc_id)[0].orthanc_id)
    here.intake._watch.count_soon()
    assert here.look(2) == ["incomplete"]
    assert here.row().images == 2


def test_images_deleted_and_a_report_left(site: Sites) -> None:
    here, study = site(reconcile_seconds=1e-6), TinyStudy()
    here.send(*study.images(), study.other(SR, "SR", Manufacturer="Gransk"))
    here.look(2)
    client = here.process.client
    for series in client.study_series(here.row().orthanc_id):
        if series["MainDicomTags"]["Modality"] == "CT":
            for instance in series["Instances"]:
                client.delete_instance(instance)
    assert here.look(4) == ["withdraw"]
    assert not here.intake._watch._counts_differ()
    here.send(*study.images())
    assert here.look(3) == ["restore"]


def test_corrected_name_by_modify_in_place(site: Sites) -> None:
    here, study = site(), TinyStudy()
    here.send(*study.images())
    here.look(2)
    key = here.row().key
    modify(
        here, f"/studies/{here.row().orthanc_id}/modify", {"StudyDescription": "Corrected"}, True
    )
    assert here.look(3) == ["submit"]
    assert (here.row().key, here.row().description) == (key, "Corrected")


def test_corrected_patient_id_by_modify(site: Sites) -> None:
    here, study = site(reconcile_seconds=1e-6), TinyStudy()
    here.send(*study.images())
    here.look(2)
    key, patient = here.row().key, here.process.client.study(here.row().orthanc_id)
    names = {"PatientID": "P2", "PatientName": "Right^Name"}
    modify(here, f"/patients/{patient['ParentPatient']}/modify", names, False)
    acts = here.look(4)
    row = here.row()
    assert (row.key, row.patient_id, row.patient_name) == (key, "P2", "Right^Name")
    assert acts == ["identified", "submit"]
    assert row.deleted_at is None


def test_corrected_patient_id_by_sending_again(site: Sites) -> None:
    here, study = site(reconcile_seconds=1e-6), TinyStudy()
    here.send(*study.images())
    here.look(2)
    key = here.row().key
    here.process.client.delete_study(here.row().orthanc_id)
    assert here.look(2) == ["withdraw"]
    study.patient_id = "P3"
    here.send(*study.images())
    assert here.look(3) == ["identified", "submit"]
    assert (here.row().key, here.row().patient_id) == (key, "P3")


def test_wrong_study_deleted_after_the_corrected_arrived(site: Sites) -> None:
    here, study = site(quiet_seconds=0), TinyStudy()
    here.send(*study.images())
    here.look(2)
    wrong, key = here.row().orthanc_id, here.row().key
    study.patient_id, study.expected = "P4", 4
    here.send(*study.images()[:3])
    here.look(2)
    assert len(here.rows()) == 2
    here.process.client.delete_study(wrong)
    here.send(study.image(4))
    assert here.look(3) == ["identified", "submit"]
    assert (here.row().key, here.row().patient_id) == (key, "P4")


def test_merged_studies(site: Sites) -> None:
    here, right, wrong = site(reconcile_seconds=1e-6), TinyStudy("P1"), TinyStudy("P9")
    here.send(*right.images(), *wrong.images())
    assert sorted(here.look(3)) == ["submit", "submit"]
    keys = {row.patient_id: row.key for row in here.rows()}
    ids = {row.patient_id: row.orthanc_id for row in here.rows()}
    post(here, f"/studies/{ids['P1']}/merge", {"Resources": [ids["P9"]], "Synchronous": True})
    before = len(here.diary.told)
    here.look(4)
    assert sorted(here.diary.told[before:]) == [("submit", keys["P1"]), ("withdraw", keys["P9"])]
    rows = {row.key: row for row in here.rows()}
    assert rows[keys["P1"]].images == 6


def test_not_announced_is_found_by_the_sweep(site: Sites) -> None:
    here, study = site(), TinyStudy()
    here.look()
    here.send(*study.images())
    with here.database.begin() as session:
        row = session.get_one(Archive, "orthanc")
        row.cursor = here.process.client.last_change()
    assert here.look(2) == []
    assert Site(here.process, here.folder).look(2) == ["submit"]
    assert "sweep_done" in here.events()


def test_a_cleared_change_log_is_noticed(site: Sites) -> None:
    here, study = site(), TinyStudy()
    here.look()
    here.send(*study.images())
    orthanc = here.config.orthanc
    auth = (orthanc.username, orthanc.password())
    assert requests.delete(f"{orthanc.url}/changes", auth=auth, timeout=20).status_code == 200
    assert here.look(2) == ["submit"]
    here.send(study.image(1, value=9))
    assert here.look(2) == ["submit"]


def test_a_crash_in_the_handler_loses_nothing(site: Sites) -> None:
    here, bad, good = site(), TinyStudy("BAD"), TinyStudy("GOOD")
    here.diary.fail_for = {"BAD"}
    here.send(*bad.images(), *good.images())
    assert here.look(3) == ["submit"]
    states = {row.patient_id: (row.pending, bool(row.settled_fingerprint)) for row in here.rows()}
    assert states == {"BAD": (True, False), "GOOD": (False, True)}
    here.diary.fail_for = set()
    here.restarted()
    assert here.look(3) == ["submit"]


def test_a_crash_while_reading_the_log_loses_nothing(
    site: Sites, monkeypatch: pytest.MonkeyPatch
) -> None:
    here, study = site(), TinyStudy()
    here.look()
    here.send(*study.images())

    def gone(self: Orthanc, orthanc_id: str) -> int:
        raise ArchiveUnavailableError("pulled the plug")

    with monkeypatch.context() as patch:
        patch.setattr(Orthanc, "instance_count", gone)
        with pytest.raises(ArchiveUnavailableError):
            here.look()
    assert here.rows() == []
    here.restarted()
    assert here.look(2) == ["submit"]


def test_full_disk_pauses_and_goes_on(site: Sites, monkeypatch: pytest.MonkeyPatch) -> None:
    here, study = site(min_free_disk_mb=100), TinyStudy()
    here.send(*study.images())
    usage = shutil.disk_usage(here.folder)

    def share_is_full(path: Path) -> Any:
        return usage._replace(free=99 << 20) if path.name == "blobs" else usage

    with monkeypatch.context() as patch:
        here.config.blob_folder.mkdir(parents=True, exist_ok=True)
        patch.setattr(shutil, "disk_usage", share_is_full)
        assert here.look(3) == []
        status = here.intake.status()
        assert (status.state, status.cause) == (State.PAUSED, Cause.DISK_FULL)
        assert "disk" in status.text("en")
        assert "Disken" in status.text("da")
    assert here.look() == ["submit"]
    assert here.intake.status().state == State.RUNNING
    assert [e for e in here.events() if e.startswith("intake")] == [
        "intake_paused",
        "intake_resumed",
    ]


def modify(here: Site, path: str, values: dict[str, str], keep_source: bool) -> None:
    """Orthanc 1.10.1 deletes an instance replaced in place unless its source is kept."""
    keep = ["StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID"]
    body = {"Replace": values, "Keep": keep, "Force": True, "KeepSource": keep_source}
    post(here, path, body | {"Synchronous": True})


def post(here: Site, path: str, body: dict[str, object]) -> None:
    orthanc = here.config.orthanc
    auth = (orthanc.username, orthanc.password())
    answer = requests.post(orthanc.url + path, json=body, auth=auth, timeout=20)
    assert answer.status_code == 200, answer.text


@pytest.mark.parametrize(
    ("characters", "name"),
    [
        (["ISO_IR 13", "ISO 2022 IR 87"], "ﾔﾏﾀﾞ^ﾀﾛｳ=山田^太郎=やまだ^たろう"),
        (["ISO 2022 IR 100", "ISO 2022 IR 126"], "Müller^Ωμεγα"),
        (["", "ISO 2022 IR 149"], "Hong^Gildong=洪^吉洞=홍^길동"),
        ("ISO_IR 13", "ﾔﾏﾀﾞ^ﾀﾛｳ"),
    ],
)
def test_names_of_several_character_sets(
    site: Sites, monkeypatch: pytest.MonkeyPatch, characters: str | list[str], name: str
) -> None:
    here, study = site(), TinyStudy(patient_name=name)
    types: list[list[str]] = []

    def complete(headers: Study) -> bool:
        types.extend(list(one.header.ImageType) for one in headers.instances)
        return True

    monkeypatch.setattr(here.diary, "complete", complete)
    here.send(*study.images(SpecificCharacterSet=characters))
    assert here.look(3) == ["submit"]
    row = here.row()
    assert (row.patient_name, row.patient_id) == (name, "P1")
    assert (row.patient_birth_date, row.study_date) == ("19500101", "20240102")
    assert types == [["ORIGINAL", "PRIMARY", "AXIAL"]] * 3


def test_a_damaged_first_file_is_named_by_the_archive(
    site: Sites, monkeypatch: pytest.MonkeyPatch
) -> None:
    here, study = site(), TinyStudy(patient_name="Ærø^Åse")
    here.send(*study.images())
    monkeypatch.setattr(Orthanc, "file", lambda self, instance_id: b"damaged")
    assert here.look(3) == ["submit"]
    assert here.row().patient_name == "Ærø^Åse"


def test_a_japanese_chest_is_complete_at_quiet_time(
    site: Sites, monkeypatch: pytest.MonkeyPatch
) -> None:
    here, study = site(), TinyStudy(expected=80, patient_name="ﾔﾏﾀﾞ^ﾀﾛｳ=山田^太郎")
    monkeypatch.setattr(here.diary, "complete", Handlers(applications(), Rules(1)).complete)
    here.send(
        *(
            study.image(
                number,
                SpecificCharacterSet=["ISO_IR 13", "ISO 2022 IR 87"],
                ImagePositionPatient=[0, 0, 2.0 * number],
                ImageOrientationPatient=[1, 0, 0, 0, 1, 0],
                PixelSpacing=[2, 2],
                SliceThickness=2,
                RescaleSlope=1,
                RescaleIntercept=-1024,
                FrameOfReferenceUID="1.2.3",
            )
            for number in range(1, 81)
        )
    )
    assert here.look(3) == ["submit"]
    assert here.row().patient_name == "ﾔﾏﾀﾞ^ﾀﾛｳ=山田^太郎"
