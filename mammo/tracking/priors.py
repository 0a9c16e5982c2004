"""Which of a patient's other studies are worth comparing with, by what an archive lists."""

from __future__ import annotations

import datetime
import re
from collections.abc import Sequence
from enum import IntEnum

from gransk.core.application import KnownStudy

# Beginnings of words in descriptions, Danish and English, of what is no mammogram or not of
# whole breasts, though its modality may say MG.
OTHER = (
    "BIOPS", "STEREOTA", "SPECIMEN", "PRÆPARAT", "PREPARAT", "GALAKTOGRAF", "GALACTOGRA",
    "DUKTOGRAF", "DUCTOGRA", "CLIP", "MARKØR", "MARKER", "TRÅD", "WIRE", "KONTRAST", "CONTRAST",
    "CEM", "CESM", "FANTOM", "PHANTOM", "KONSTANS",
)  # fmt: skip
# They show a part of the breast beside, or instead of, whole views.
PARTLY = (
    "SPOT", "FORSTØRREL", "MAGNIF", "TOMO", "DBT", "SUPPLER", "ADDITIONAL", "KLINISK", "CLINICAL",
)  # fmt: skip
# Two views of one breast.
FEWEST_IMAGES = 2


class Shows(IntEnum):
    """What a study shows of whole breasts, as far as its description tells."""

    NOT = 0
    PARTLY = 1
    WHOLE = 2


def priors_wanted(
    study_uid: str, date: datetime.date | None, known: Sequence[KnownStudy]
) -> tuple[str, ...]:
    """Earlier mammography studies, most wanted first.

    Those that say nothing of additional views come first: the latest, the oldest (the baseline),
    then the others from late to early. After them come, in the same order, those that do, and
    those with a single image. Studies of the same day are no priors.

    Parameters
    ----------
    study_uid : str
        Study Instance UID of the current study, never wanted.
    date : date, optional
        Of the current study; without one nothing is known to be earlier.
    known : sequence of KnownStudy
    """
    if date is None:
        return ()
    earlier: dict[str, tuple[datetime.date, KnownStudy]] = {}
    for one in known:
        if one.study_instance_uid == study_uid or one.date is None or one.date >= date:
            continue
        if "MG" in {m.strip().upper() for m in one.modalities}:
            earlier.setdefault(one.study_instance_uid, (one.date, one))
    wanted: list[str] = []
    for kind in (Shows.WHOLE, Shows.PARTLY):
        of_kind = [pair for pair in earlier.values() if shows(pair[1]) is kind]
        of_kind.sort(key=lambda pair: (pair[0], pair[1].study_instance_uid), reverse=True)
        if len(of_kind) > 2:
            of_kind.insert(1, of_kind.pop())
        wanted += [one.study_instance_uid for _, one in of_kind]
    return tuple(wanted)


def shows(study: KnownStudy) -> Shows:
    """What a mammography study shows of whole breasts."""
    words = re.split(r"[^0-9A-ZÆØÅÄÖ]+", study.description.upper())
    if any(word.startswith(start) for word in words for start in OTHER):
        return Shows.NOT
    few = 0 < study.images < FEWEST_IMAGES
    if few or any(word.startswith(start) for word in words for start in PARTLY):
        return Shows.PARTLY
    return Shows.WHOLE
