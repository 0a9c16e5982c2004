"""What the proxy answers of a study as if it held the images alone."""

from __future__ import annotations

import json

from gransk.web.withheld import STUDY_UID, Images, by_more, studies

KNOWN = {"1.2": Images(("CR",), 2, frozenset({"1.2.99"}), frozenset({"1.2.99.1"}))}
OF_IMAGES = {
    STUDY_UID: {"vr": "UI", "Value": ["1.2"]},
    "00080050": {"vr": "SH", "Value": ["A1"]},
    "00080061": {"vr": "CS", "Value": ["CR"]},
    "00080090": {"vr": "PN"},
    "00201206": {"vr": "IS", "Value": [1]},
    "00201208": {"vr": "IS", "Value": [2]},
}


def said(entry):
    return studies(json.dumps([entry]).encode(), KNOWN, [])


def test_a_study_with_results_is_told_as_one_without():
    """The archive fills what images leave empty from any instance, ours among them."""
    with_ours = OF_IMAGES | {
        "00080061": {"vr": "CS", "Value": ["CR", "SR"]},
        "00201206": {"vr": "IS", "Value": [2]},
        "00201208": {"vr": "IS", "Value": [3]},
    }
    del with_ours["00080090"]
    assert said(OF_IMAGES) == said(with_ours)
    (told,) = json.loads(said(OF_IMAGES))
    assert told["00080050"]["Value"] == ["A1"]
    assert told["00201208"]["Value"] == [2]


def test_a_study_that_is_left_out_takes_no_place_of_a_search():
    other = OF_IMAGES | {STUDY_UID: {"vr": "UI", "Value": ["1.3"]}}
    asked = [("ModalitiesInStudy", "SR"), ("limit", "1")]
    assert by_more(asked)
    alone = studies(json.dumps([other]).encode(), KNOWN, asked)
    assert studies(json.dumps([OF_IMAGES, other], indent=1).encode(), KNOWN, asked) == alone
    assert studies(json.dumps([other, other]).encode(), KNOWN, asked) == alone
    assert not by_more([("PatientID", "T1"), ("limit", "1"), ("includefield", "all")])


def test_a_study_that_is_shown_whole_is_told_as_the_archive_says():
    (told,) = json.loads(studies(json.dumps([OF_IMAGES]).encode(), {}, []))
    assert told == OF_IMAGES
