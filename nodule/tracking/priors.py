"""Which of a patient's other studies are worth comparing with, by what an archive lists."""

from __future__ import annotations

import datetime
import re
from collections.abc import Iterable, Sequence
from enum import IntEnum
from itertools import pairwise

from gransk.core.application import KnownStudy

# Body Part Examined (PS3.16 annex L) and what scanners write instead, and words of
# descriptions in Danish and English; beginnings of words.
CHEST = (
    "CHEST", "THORA", "LUNG", "PULM", "HRCT", "TAP", "TAB", "WHOLEBODY", "HELKROP",
    "BRYSTK", "PLEURA", "MEDIASTIN", "PE", "LDCT", "BRONK", "BRONCH", "KRÆFTPAKKE",
)  # fmt: skip
# They show a part of the lungs.
PARTLY = (
    "HEART", "HJERTE", "CARDI", "KARDI", "CORONAR", "KORONAR", "AORTA", "SPINE", "COLUMNA",
    "TAVI", "RIBS", "COSTA", "ESOPHAG", "OESOPHAG",
)  # fmt: skip
OTHER = (
    "HEAD", "HOVED", "BRAIN", "CEREBR", "KRANIE", "CRANI", "SKULL", "NECK", "HALS", "COLLUM",
    "SINUS", "ORBIT", "TEETH", "TÆND", "DENTAL", "JAW", "ABDOM", "MAVE", "PELVI", "BÆKKEN",
    "KIDNEY", "NYRE", "URO", "URETER", "UROGRAFI", "LIVER", "LEVER", "HEPAR", "PANCREA", "COLO",
    "KOLO", "KNEE", "KNÆ", "HIP", "HOFTE", "FOOT", "FOD", "HAND", "HÅND", "ANKLE", "ANKEL",
    "WRIST", "ELBOW", "ALBUE", "SHOULDER", "SKULDER", "LEG", "ARM", "FEMUR", "TIBIA", "EXTREMITY",
    "EKSTREMITET", "LSPINE", "CSPINE", "LUMBA", "LUMBO", "CERVI", "EAR", "TEMPORAL", "MANDIB",
)  # fmt: skip
# Whole words: shorter ones begin others.
EXACT = frozenset({"PE", "TAP", "TAB", "LEG", "ARM", "EAR", "HIP", "FOD", "HAND", "LEVER", "URO"})
# What a chest takes at 5 mm, less a few; fewer images are a localizer or single slices.
FEWEST_IMAGES = 25


class Shows(IntEnum):
    """What a study shows of the lungs, as far as its description tells."""

    NOT = 0
    UNKNOWN = 1
    PARTLY = 2
    WHOLE = 3


def priors_wanted(
    study_uid: str, date: datetime.date | None, known: Sequence[KnownStudy]
) -> tuple[str, ...]:
    """Earlier chest CT studies, most wanted first.

    Those that surely show the lungs come first: the latest, the oldest (the baseline), then
    the others from late to early. After them come, in the same order, those that show a part,
    and those that do not say what they show. Studies of the same day are no priors.

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
    earlier: dict[str, tuple[KnownStudy, datetime.date]] = {}
    for one in known:
        few = 0 < one.images < FEWEST_IMAGES
        if one.study_instance_uid == study_uid or one.date is None or few:
            continue
        if one.date < date and "CT" in {m.strip().upper() for m in one.modalities}:
            earlier.setdefault(one.study_instance_uid, (one, one.date))
    wanted: list[str] = []
    for kind in (Shows.WHOLE, Shows.PARTLY, Shows.UNKNOWN):
        of_kind = [pair for pair in earlier.values() if shows(pair[0]) is kind]
        of_kind.sort(key=lambda pair: (pair[1], pair[0].study_instance_uid), reverse=True)
        if len(of_kind) > 2:
            of_kind.insert(1, of_kind.pop())
        wanted += [one.study_instance_uid for one, _ in of_kind]
    return tuple(wanted)


def shows(study: KnownStudy) -> Shows:
    """What a CT study shows of the lungs: any word for chest outweighs the others."""
    words = list(_words((*study.body_parts, study.description)))
    for kind, beginnings in ((Shows.WHOLE, CHEST), (Shows.PARTLY, PARTLY), (Shows.NOT, OTHER)):
        if any(_begins(word, beginnings) for word in words):
            return kind
    return Shows.UNKNOWN


def _words(texts: Iterable[str]) -> Iterable[str]:
    """Words, and each with the next one: "whole body" is one word elsewhere."""
    for text in texts:
        words = [word for word in re.split(r"[^0-9A-ZÆØÅÄÖ]+", text.upper()) if word]
        yield from (*words, *(a + b for a, b in pairwise(words)))


def _begins(word: str, beginnings: Iterable[str]) -> bool:
    return any(
        word == start if start in EXACT else word.removeprefix("CT").startswith(start)
        for start in beginnings
    )
