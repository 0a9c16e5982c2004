"""Fixtures of the tests of DICOM objects."""

from __future__ import annotations

import pytest
from dicom_samples import ct_headers, findings_of, nodule
from pydicom import Dataset

from gransk.core.findings import Findings, Note


@pytest.fixture
def headers() -> list[Dataset]:
    return ct_headers()


@pytest.fixture
def two_nodules(headers: list[Dataset]) -> Findings:
    return findings_of(
        headers,
        nodule(1, headers, (5, 30, 40)),
        nodule(2, headers, (6, 20, 20), radius=3),
        notes=(Note(code="thick", values={"mm": 2.5}),),
    )
