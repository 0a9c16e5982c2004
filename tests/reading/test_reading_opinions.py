"""Opinions, their seal, and when two differ."""

from __future__ import annotations

import datetime

import pytest
from pydantic import ValidationError
from reading_room import NORMAL, RECALL, RECALL_LEFT, START, TECHNICAL, ai, place, suspect

from gransk.core.screening import Verdict
from gransk.reading.entries import Sealed
from gransk.reading.opinions import AiOpinion, AiSaid, Difference, Opinion, differ, seal, verify
from gransk.reading.plan import Differing


def test_opinions_refuse_what_contradicts_itself():
    for values in (
        {"verdict": "recall"},
        {"verdict": "normal", "suspects": (suspect(),)},
        {"verdict": "technical"},
        {"verdict": "normal", "technical": TECHNICAL.technical},
        {"verdict": "recall", "suspects": (suspect(suspicion=None),)},
    ):
        with pytest.raises(ValidationError):
            Opinion(**values)
    for values in (
        {"said": AiSaid.NO_OPINION},
        {"said": AiSaid.NO_OPINION, "reason": "bad mood"},
        {"said": AiSaid.NORMAL, "reason": "time_limit"},
        {"said": AiSaid.NORMAL, "analysis_key": ""},
        {"sealed_at": datetime.datetime(2026, 1, 1)},
    ):
        with pytest.raises(ValidationError):
            ai(**values)


def test_a_seal_holds_every_word():
    opinion = ai(AiSaid.RECALL)
    kept = AiOpinion.model_validate(opinion.model_dump(mode="json"))
    assert verify(seal(opinion), kept)
    for changed in (
        {"said": AiSaid.NORMAL},
        {"exam_score": 3.1},
        {"models": {"mass": "d" * 64}},
        {"policy_version": 2},
        {"sealed_at": START + datetime.timedelta(microseconds=1)},
    ):
        assert not verify(seal(opinion), opinion.model_copy(update=changed))
    with pytest.raises(ValidationError):
        Sealed(opinion=opinion, seal=seal(ai(AiSaid.NORMAL)))


def recall(*suspects):
    return Opinion(verdict=Verdict.RECALL, suspects=suspects)


NEAR, FAR = suspect(place=place(100)), suspect(place=place(300))


@pytest.mark.parametrize(
    ("one", "other", "by", "found"),
    [
        (NORMAL, NORMAL, Differing.LESION, None),
        (NORMAL, RECALL, Differing.VERDICT, Difference.VERDICT),
        (TECHNICAL, NORMAL, Differing.VERDICT, Difference.TECHNICAL),
        (RECALL, TECHNICAL, Differing.VERDICT, Difference.TECHNICAL),
        (RECALL, RECALL_LEFT, Differing.VERDICT, None),
        (RECALL, RECALL_LEFT, Differing.BREAST, Difference.BREAST),
        (RECALL, RECALL_LEFT, Differing.LESION, Difference.BREAST),
        (recall(NEAR), recall(FAR), Differing.BREAST, None),
        (recall(NEAR), recall(FAR), Differing.LESION, Difference.LESION),
        (recall(NEAR), recall(FAR, suspect(place=place(115))), Differing.LESION, None),
        (recall(NEAR), recall(suspect(place=place(300, image="1.2.4"))), Differing.LESION, None),
        (recall(NEAR), recall(suspect()), Differing.LESION, None),
        (
            recall(NEAR.model_copy(update={"lesion_uid": "1.1"})),
            recall(FAR.model_copy(update={"lesion_uid": "1.1"})), Differing.LESION, None,
        ),
        (NORMAL, ai(AiSaid.RECALL), Differing.BREAST, Difference.VERDICT),
        (RECALL_LEFT, ai(AiSaid.RECALL), Differing.BREAST, Difference.BREAST),
        (RECALL_LEFT, ai(AiSaid.RECALL, marks=()), Differing.LESION, None),
    ],
)  # fmt: skip
def test_when_two_opinions_differ(one, other, by, found):
    assert differ(one, other, by) is found
    assert differ(other, one, by) is found
