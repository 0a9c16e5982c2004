"""The whole suite with a PACS that commits: committed, superseded, hidden, though all is killed."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path

import misbehaving
import pydicom
import pytest
from free_ports import free_port
from harness_orthanc import OrthancProcess, make_config
from harness_suite import Suite
from pydicom.uid import generate_uid
from radiographs import radiograph, save

from gransk.results.tables import Delivery, DeliveryState

pytestmark = [pytest.mark.system, pytest.mark.full]
KO = "1.2.840.10008.5.1.4.1.1.88.59"


def classes(pacs: OrthancProcess) -> list[str]:
    """SOP classes of what the PACS holds."""
    return [
        str(
            pydicom.dcmread(
                io.BytesIO(pacs.client.file(one.orthanc_id)), stop_before_pixels=True
            ).SOPClassUID
        )
        for study in pacs.client.study_ids()
        for one in pacs.client.instances(study)
    ]


def test_what_is_delivered_is_committed_and_what_falls_is_hidden(
    tmp_path: Path, orthanc: Callable[..., OrthancProcess]
) -> None:
    door = free_port()
    (tmp_path / "pacs").mkdir()
    theirs = make_config(tmp_path / "pacs", orthanc={"aet": "PACS"})
    modality = {"AET": "GRANSK", "Host": "127.0.0.1", "Port": door}
    pacs = orthanc(theirs, "archive", {"DicomModalities": {"gransk": modality}})
    site = misbehaving.install(tmp_path / "site")
    folder = tmp_path / "suite"
    folder.mkdir()
    destination = {
        "name": "pacs", "kind": "dicom", "aet": "PACS", "host": "127.0.0.1",
        "port": theirs.orthanc.dicom_port, "commitment": True, "superseded": "hide",
        "retry_seconds": 1,
    }  # fmt: skip
    with Suite(
        folder,
        environment=misbehaving.environment(site),
        intake={"quiet_seconds": 0.3, "poll_seconds": 0.2, "reconcile_seconds": 2},
        workers={"heartbeat_seconds": 0.5, "lost_after_seconds": 2, "retry_seconds": 0.5},
        destinations=[destination],
        commitment={"port": door, "wait_seconds": 1, "answer_seconds": 5},
    ) as suite:
        study = generate_uid()
        first = radiograph(1, StudyInstanceUID=study)
        assert suite.store(save(first, tmp_path / "1.dcm")) == [0]
        suite.wait_delivered(240)
        suite.kill("service")
        pacs.kill()
        pacs.start()
        suite.start("service")
        suite.until(lambda: all(map(committed, suite.deliveries())), 240, "commitment")
        old = {line.id for line in suite.deliveries()}
        assert KO not in classes(pacs)

        same = {name: first[name].value for name in ("PatientID", "PatientName")}
        second = radiograph(2, StudyInstanceUID=study, **same)
        assert suite.store(save(second, tmp_path / "2.dcm")) == [0]

        def hidden() -> bool:
            lines = suite.deliveries()
            fallen = [line for line in lines if line.id in old]
            others = [line for line in lines if line.id not in old]
            return (
                bool(others)
                and all(map(committed, others))
                and {line.state for line in fallen} == {DeliveryState.HIDDEN}
            )

        suite.until(hidden, 240, "the old report to be hidden")
        assert classes(pacs).count(KO) == 1


def committed(line: Delivery) -> bool:
    return line.state == DeliveryState.SENT and line.committed_at is not None
