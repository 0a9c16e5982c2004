"""The two keys and the UIDs that follow from them.

The analysis key names what can change findings; the report key adds what is
written into objects. Equal keys mean equal results, however often events repeat.
"""

from __future__ import annotations

import hashlib
import json
import uuid
from collections.abc import Iterable, Mapping
from typing import Any

from pydicom import Dataset

from gransk.core.study import Instance

REPORT_ATTRIBUTES = (
    "SpecificCharacterSet",
    "PatientName",
    "PatientID",
    "IssuerOfPatientID",
    "OtherPatientIDs",
    "PatientBirthDate",
    "PatientSex",
    "PatientAge",
    "StudyInstanceUID",
    "StudyID",
    "StudyDate",
    "StudyTime",
    "StudyDescription",
    "AccessionNumber",
    "ReferringPhysicianName",
    "TimezoneOffsetFromUTC",
)


def digest(value: Any) -> str:
    """SHA-256 of a value's canonical JSON."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=True, default=str)
    return hashlib.sha256(text.encode("ascii")).hexdigest()


def uid(*parts: str) -> str:
    """A UID that the parts alone decide (2.25 and a name-based UUID, PS3.5 B.2)."""
    return f"2.25.{uuid.uuid5(uuid.NAMESPACE_OID, 'gransk:' + digest(parts)).int}"


def image_digest(instance: Instance, attributes: Iterable[str], pixels_sha256: str) -> str:
    """Digest of one input image: its UID, its pixels and what analysis reads.

    Parameters
    ----------
    instance : Instance
    attributes : iterable of str
        Keywords of the attributes that can change findings.
    pixels_sha256 : str
        Of the Pixel Data element's value as stored.
    """
    return digest(
        [instance.sop_instance_uid, pixels_sha256, attribute_values(instance.header, attributes)]
    )


def attribute_values(header: Dataset, attributes: Iterable[str]) -> dict[str, str]:
    """Values of attributes as text, absent ones left out."""
    return {name: str(header[name].value) for name in sorted(attributes) if name in header}


def analysis_key(
    application: str,
    version: str,
    model_digests: Mapping[str, str],
    settings: Mapping[str, Any],
    image_digests: Iterable[str],
) -> str:
    """Key of an analysis: application, models, settings and chosen input images."""
    return digest(
        {
            "application": [application, version],
            "models": dict(model_digests),
            "settings": dict(settings),
            "images": sorted(image_digests),
        }
    )


def report_key(analysis: str, header: Dataset, extra: Mapping[str, Any] | None = None) -> str:
    """Key of a report: the analysis and the attributes written into objects.

    Parameters
    ----------
    analysis : str
        Analysis key.
    header : Dataset
        Of the first chosen image.
    extra : mapping, optional
        Whatever else the objects say: priors, risk profile, guideline, edits.
    """
    return digest(
        {
            "analysis": analysis,
            "attributes": attribute_values(header, REPORT_ATTRIBUTES),
            "extra": dict(extra or {}),
        }
    )
