"""Reports with real objects, and a FHIR server that is not ours."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import httpx
from web_site import Site

sys.path.insert(0, str(Path(__file__).parents[1] / "results" / "dicom"))

import dicom_samples
from dicom_samples import ct_headers, findings_of, make, nodule

from gransk.core.findings import Findings
from gransk.reading.release import release_report
from gransk.results.acts import Signature
from gransk.results.blobs import BlobStore
from gransk.results.store import NewObject, seal_report
from gransk.results.tables import Workitem
from gransk.site.database import utcnow

SERVER = Path(__file__).parents[1] / "delivery" / "fhir_server.cjs"
SIGNED = Signature(person="Sørensen, Åse", role="radiologist", at=dicom_samples.CREATED)


def images(number: int = 1, **values: str) -> list[Any]:
    """Headers of a CT whose patient and numbers are those of a site's study."""
    headers = ct_headers()
    for header in headers:
        header.PatientName = values.get("name", f"Testesen^Patient{number}")
        header.PatientID, header.IssuerOfPatientID = f"{number:06d}-0000", ""
        header.AccessionNumber = f"ACC{number}"
        header.StudyInstanceUID = f"1.2.3.{number}"
        header.StudyDate, header.StudyTime = "20260105", "101500"
    return headers


def found(headers: list[Any]) -> Findings:
    return findings_of(
        headers, nodule(1, headers, (5, 30, 40)), nodule(2, headers, (6, 20, 20), radius=3)
    )


def sealed(site: Site, number: int, key: str, headers: list[Any], **changes: Any) -> tuple:
    """Objects of a report, kept in the site's store."""
    blobs = BlobStore(site.config.blob_folder)
    made = make(headers, changes.pop("findings", None) or found(headers), report_key=key, **changes)
    return tuple(
        NewObject(
            kind=one.kind,
            sop_class_uid=one.sop_class_uid,
            sop_instance_uid=one.sop_instance_uid,
            series_instance_uid=one.series_instance_uid,
            stored=blobs.put(one.content),
        )
        for one in made
    )


def first(site: Site, number: int = 1, then: Any = None, **changes: Any) -> str:
    """A study with a released report; the id of its row."""
    headers = images(number)
    study = site.study(number)
    objects = sealed(site, number, f"{number:02d}" * 32, headers, **changes)
    findings = changes.get("findings") or found(headers)
    item = site.sealed(study, findings, released=False, objects=objects)
    release(site, item, then)
    return item


def another(site: Site, item: str, number: int, key: str, then: Any = None, **changes: Any) -> None:
    """Another report in the place of the one that stands, released."""
    objects = sealed(site, number, key, images(number), **changes)
    with site.database.begin() as session:
        row = session.get_one(Workitem, item)
        seal_report(session, row, key, str(row.analysis_key), utcnow(), objects)
    release(site, item, then)


def release(site: Site, item: str, then: Any = None) -> None:
    with site.database.begin() as session:
        key = session.get_one(Workitem, item).report_key
        assert key is not None
        assert release_report(session, key, "policy:at_once", lambda *_: {}, then)


class FhirServer:
    """Medplum's FHIR router over its repository in memory, with HL7's definitions of R4."""

    def __init__(self, port: int) -> None:
        self.url = f"http://127.0.0.1:{port}"
        self._process = subprocess.Popen(
            ["node", SERVER, str(port)], stdout=subprocess.PIPE, text=True, encoding="utf-8"
        )
        assert self._process.stdout is not None
        assert self._process.stdout.readline() == "ready\n"
        self._client = httpx.Client(base_url=self.url, trust_env=False, timeout=30)

    def get(self, address: str) -> Any:
        return self._client.get(address).json()

    def complaints(self, resource: Any) -> Any:
        """What does not fit HL7's definitions; nothing where all does."""
        answer = self._client.post("/validate", json=resource)
        return None if answer.status_code == 200 else answer.json()

    def down(self, times: int) -> None:
        """Answer so many requests with 503."""
        self._client.get(f"/down?times={times}")

    def puts(self) -> list[dict[str, str]]:
        """Every PUT since this was asked last."""
        marker = f"/DiagnosticReport/marker{utcnow().timestamp()}"
        self._client.get(marker)
        found = []
        assert self._process.stdout is not None
        for line in self._process.stdout:
            one = json.loads(line)
            if one["url"] == marker:
                break
            if one["method"] == "PUT":
                found.append(one)
        return found

    def close(self) -> None:
        self._client.close()
        self._process.kill()
        self._process.wait(10)
