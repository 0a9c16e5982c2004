"""The two keys and the UIDs that follow from them.

The analysis key names what can change findings; the report key adds what is
written into objects. Equal keys mean equal results, however often events repeat.
"""

from __future__ import annotations

import hashlib
import json
import uuid
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel
from pydicom import Dataset

from gransk.core.identity import COPIED
from gransk.core.study import Instance

if TYPE_CHECKING:
    from gransk.core.application import Application, Selection
    from gransk.core.models import ModelLibrary


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
    """Values of attributes as text, absent ones left out; malformed ones as their bytes."""
    return {name: _value(header, name) for name in sorted(attributes) if name in header}


def _value(header: Dataset, name: str) -> str:
    try:
        return str(header[name].value)
    except (AttributeError, LookupError, TypeError, ValueError):
        return repr(header.get_item(name))


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


def selection_key(
    application: Application, selection: Selection, settings: BaseModel, models: ModelLibrary
) -> str:
    """Analysis key of the images that an application chose.

    Every chosen image is read once, for the digest of its pixels.
    """
    return analysis_key(
        application.id,
        application.version,
        {name: models.digest(name) for name in application.models(settings)},
        settings.model_dump(mode="json"),
        (
            image_digest(instance, application.attributes_read, pixels_sha256(instance))
            for instance in selection.instances
        ),
    )


def pixels_sha256(instance: Instance) -> str:
    """SHA-256 of the Pixel Data element's value as stored, of nothing where it is absent."""
    return hashlib.sha256(instance.load().get("PixelData") or b"").hexdigest()


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
            "attributes": attribute_values(header, COPIED),
            "extra": dict(extra or {}),
        }
    )
