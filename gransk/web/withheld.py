"""What the DICOMweb proxy keeps back: result objects of exams that a person still sees "to read".

Results are in the archive from the decision on, or from opening where the policy shows marks to
who reads. Of such a study the proxy answers everybody else as if it held the images alone: which
series and instances there are, their counts and modalities, by whatever they are searched.
"""

from __future__ import annotations

import fnmatch
import json
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from fastapi import HTTPException
from sqlalchemy import select
from sqlalchemy.orm import Session

from gransk.archive.tables import SeenStudy
from gransk.reading.seeing import Looker, hidden, sees_results
from gransk.results.made import made_of
from gransk.web.seeing import BLINDED, MACHINE

STUDY_UID, SERIES_UID, INSTANCE_UID = "0020000D", "0020000E", "00080018"
MODALITIES = "00080061"
IMAGES = "00201208"
OF_STUDY = {
    "00080005": "SpecificCharacterSet",
    "00080020": "StudyDate",
    "00080030": "StudyTime",
    "00080050": "AccessionNumber",
    "00080090": "ReferringPhysicianName",
    "00081030": "StudyDescription",
    "00081190": "RetrieveURL",
    "00100010": "PatientName",
    "00100020": "PatientID",
    "00100021": "IssuerOfPatientID",
    "00100030": "PatientBirthDate",
    "00100040": "PatientSex",
    "0020000D": "StudyInstanceUID",
    "00200010": "StudyID",
}
"""Attributes of a study that say nothing of what it holds (PS3.18 tables 10.6.1-2 and 10.6.3-3)."""
HOW = frozenset({"includefield", "limit", "offset", "fuzzymatching"})
"""Parameters of a search that match nothing."""

_IN_STUDY = re.compile(r"studies/([0-9.]+)(?:/(.*))?")


@dataclass(frozen=True)
class Images:
    """A study as somebody sees it who may not see our results.

    Parameters
    ----------
    modalities : tuple of str
    count : int
        Of images.
    series, instances : frozenset of str
        UIDs of our results, which are kept back.
    """

    modalities: tuple[str, ...]
    count: int
    series: frozenset[str]
    instances: frozenset[str]


def blind(session: Session, who: Looker, uids: Collection[str]) -> dict[str, Images]:
    """Studies, by UID, of which a person may not see our results, whether there are any or not."""
    if who == MACHINE or not uids:
        return {}
    found = select(SeenStudy).where(
        SeenStudy.study_instance_uid.in_(sorted(uids)), hidden(who, SeenStudy.key)
    )
    return {
        study.study_instance_uid: _images(session, study)
        for study in session.scalars(found).all()
        if not sees_results(session, who, study.key)
    }


def _images(session: Session, study: SeenStudy) -> Images:
    rows = made_of(session, study.key)
    return Images(
        tuple(study.modalities),
        study.images,
        frozenset(series for series, _ in rows),
        frozenset(instance for _, instance in rows),
    )


def keeps_back(session: Session, who: Looker) -> bool:
    """Is there any exam of which the person may not see our results?"""
    if who == MACHINE:
        return False
    found = select(SeenStudy.key).where(hidden(who, SeenStudy.key)).limit(1)
    return session.scalar(found) is not None


def study_of(path: str) -> str:
    """The study that a path names; empty where it names none."""
    named = _IN_STUDY.fullmatch(path)
    return named[1] if named else ""


def check(path: str, images: Images) -> None:
    """Refuse what would tell of our results within a study.

    Raises
    ------
    HTTPException
        403 where a whole study is asked for, which would have them in it; 404 for one of ours, of
        which a search finds nothing, as of any series that is not there.
    """
    inside = (_IN_STUDY.fullmatch(path) or ["", "", ""])[2] or ""
    if inside in ("", "rendered", "thumbnail"):
        raise HTTPException(403, BLINDED)
    ours = set(inside.split("/")) & (images.series | images.instances)
    if ours and not inside.endswith("/instances"):
        raise HTTPException(404)


def inside(body: bytes, images: Images, asked: Sequence[tuple[str, str]]) -> bytes:
    """Series, instances or metadata of a study without ours, cut as limit and offset ask.

    Written anew also where there are none of ours: its form must not tell.
    """
    kept = [
        entry
        for entry in json.loads(body or b"[]")
        if _value(entry, SERIES_UID) not in images.series
        and _value(entry, INSTANCE_UID) not in images.instances
    ]
    return _written(_cut(kept, asked))


def uncut(asked: Sequence[tuple[str, str]]) -> list[tuple[str, str]]:
    """A search without limit and offset: what is kept back must not count."""
    return [(name, value) for name, value in asked if name not in ("limit", "offset")]


def by_more(asked: Sequence[tuple[str, str]]) -> bool:
    """Does a search match by what our results may say, so that they would count in its limit?"""
    return any(
        name not in HOW and name not in OF_STUDY and name not in OF_STUDY.values()
        for name, _ in asked
    )


def studies(body: bytes, known: Mapping[str, Images], asked: Sequence[tuple[str, str]]) -> bytes:
    """Answers of a search for studies, of some of which the person may see the images alone.

    Written anew whether any is among them or not, and cut as limit and offset ask where they were
    not sent (`by_more`): neither its form nor its length tells of a study that is left out.
    """
    kept = []
    for entry in json.loads(body or b"[]"):
        images = known.get(_value(entry, STUDY_UID))
        if images is None:
            kept.append(entry)
        elif _fits(images, asked):
            kept.append(_of_images(entry, images))
    return _written(_cut(kept, asked) if by_more(asked) else kept)


def uids_in(body: bytes) -> set[str]:
    """The studies that a search found."""
    return {_value(entry, STUDY_UID) for entry in json.loads(body or b"[]")}


def _fits(images: Images, asked: Sequence[tuple[str, str]]) -> bool:
    """Was the study found by what its images say, and not by what our results may?"""
    for name, value in asked:
        if name in HOW or name in OF_STUDY or name in OF_STUDY.values():
            continue
        if name not in (MODALITIES, "ModalitiesInStudy"):
            return False
        wanted = re.split(r"[\\,]", value)
        if not any(fnmatch.filter(images.modalities, one) for one in wanted):
            return False
    return True


def _of_images(entry: dict[str, Any], images: Images) -> dict[str, Any]:
    # An attribute that the images leave empty is looked up by the archive in any instance of the
    # study: whether it stands in the answer would tell of ours.
    told = {tag: one for tag, one in entry.items() if tag in OF_STUDY and one.get("Value")}
    told[MODALITIES] = {"vr": "CS", "Value": list(images.modalities)}
    told[IMAGES] = {"vr": "IS", "Value": [images.count]}
    return dict(sorted(told.items()))


def _value(entry: Mapping[str, Any], tag: str) -> str:
    values = entry.get(tag, {}).get("Value") or [""]
    return str(values[0])


def _cut(kept: Sequence[Any], asked: Sequence[tuple[str, str]]) -> Sequence[Any]:
    start, length = _number(asked, "offset"), _number(asked, "limit")
    return kept[start or 0 :][: length or None]


def _number(asked: Sequence[tuple[str, str]], name: str) -> int | None:
    values = [value for key, value in asked if key == name and value.isdecimal()]
    return int(values[-1]) if values else None


def _written(entries: Sequence[Any]) -> bytes:
    return json.dumps(entries, ensure_ascii=False, separators=(",", ":")).encode()
