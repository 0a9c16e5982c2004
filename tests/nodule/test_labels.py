"""What a person may say of a nodule has codes and a text in each language."""

from __future__ import annotations

import pytest

from gransk.core import codes
from gransk.core.findings import Change, Finding, Findings, FrameRef, ModelIdentity, Quality, Review
from nodule.application import NoduleApplication
from nodule.coding import PROPERTIES
from nodule.labels import LABELS, REJECTIONS

SHOWN = NoduleApplication().presentation


def lesion(**values: object) -> Finding:
    return Finding(
        **{
            "tracking_uid": "1.1",
            "tracking_id": "Nodule 1",
            "kind": codes.NODULE,
            "site": codes.LUNG,
            "probability": 0.8,
        }
        | values
    )


@pytest.mark.parametrize("language", ["en", "da"])
def test_every_label_and_rejection_has_a_text(language):
    assert SHOWN.labels == LABELS
    for name, values in LABELS.items():
        assert SHOWN.word(name, language) != name
        for value, (quality, *_) in values.items():
            assert (quality.name, quality.value) == (name, PROPERTIES[name][1][value])
            word = SHOWN.word(f"{name}_{value}", language)
            assert word != f"{name}_{value}"
            assert SHOWN.value(name, quality.value, language) == word
    assert SHOWN.rejections == tuple(REJECTIONS)
    assert all(SHOWN.word(f"rejected_{code}", language) == REJECTIONS[code][language]
               for code in REJECTIONS)  # fmt: skip


def test_what_a_model_did_not_assess_has_a_text_too():
    for name, (_, values) in PROPERTIES.items():
        for value, code in values.items():
            assert SHOWN.value(name, code, "da") == SHOWN.word(f"{name}_{value}", "da")
    assert SHOWN.value("fat", PROPERTIES["fat"][1]["not_assessed"], "da") == "ikke vurderet"
    assert SHOWN.value("fat", codes.MM, "da") == "millimeter"


def test_benign_morphology_of_the_guidelines_can_be_labelled():
    assert {"perifissural", "juxtapleural", "calcification", "fat", "spiculated"} <= set(LABELS)


def test_upper_lobe_follows_the_lobe():
    told = {value: follows[1].value for value, follows in LABELS["lobe"].items()}
    assert told == {"upper": codes.YES, "middle": codes.NO, "lower": codes.NO}


def test_a_rejected_nodule_is_not_counted_in_the_line():
    said = {"by": "Dorte", "at": "2026-01-05T10:00:00Z"}
    rejected = lesion(tracking_uid="1.2", reviews=(Review(state="rejected", **said),))
    findings = Findings(
        application="nodule",
        application_version="1.0.0",
        models=(ModelIdentity(id="m", version="1", sha256="a" * 64),),
        study_instance_uid="1.2.3",
        series_instance_uids=("1.2.3.4",),
        frames=(FrameRef(sop_class_uid="1.2", sop_instance_uid="1.3", series_instance_uid="1.4"),),
        findings=(lesion(), rejected),
    )
    assert SHOWN.line(findings, "en").startswith("1 nodule,")
    alone = findings.model_copy(update={"findings": (rejected,)})
    assert SHOWN.line(alone, "en") == "No nodules found"


def test_a_persons_word_on_the_fissure_stands_without_the_models_doubt():
    (label,) = LABELS["perifissural"]["yes"]
    (doubt,) = [Quality(name="perifissural_reason", concept=label.concept, value=codes.NO)]
    change = Change(name="perifissural", after=label.value)
    review = Review(state="relabelled", by="Dorte", at="2026-01-05T10:00:00Z", changes=(change,))
    told = dict(SHOWN.details(lesion(qualities=(label, doubt), reviews=(review,)), "en"))
    assert told["At a fissure, estimated"] == "yes"
