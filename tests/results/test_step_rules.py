"""The rules of workitems, row by row of the standard's table, and what matches a search."""

import sys
from pathlib import Path

import pytest
from pydicom.datadict import dictionary_description, dictionary_VR

sys.path.insert(0, str(Path(__file__).parents[1] / "web"))

from workitem_parts import about, coded, workitem

from gransk.results.step_matching import Key, keys_of, matches, parse, path_of
from gransk.results.step_rules import (
    StepState,
    WorkitemError,
    check_create,
    check_model,
    check_set,
    element,
    missing_final,
    rules,
)

TOP = [rule for rule in rules() if len(rule.path) == 1]


def test_names_and_tags_are_those_of_the_dictionary():
    def plain(text):
        return text.replace(" / ", "/").lower()

    for rule in rules():
        assert plain(dictionary_description(int(rule.path[-1], 16))) == plain(rule.name)
        assert set(rule.create) <= set("0123C-")
        assert set(rule.set) <= set("0123C-")
        assert rule.final in ("R", "RC", "P", "X", "O")


def test_what_is_nested_stands_in_a_sequence():
    for rule in rules():
        for tag in rule.path[:-1]:
            assert dictionary_VR(int(tag, 16)) == "SQ"


@pytest.mark.parametrize("rule", TOP, ids=lambda rule: rule.name)
def test_each_row_holds_at_creation(rule):
    (tag,) = rule.path
    without = workitem()
    without.pop(tag, None)
    if rule.create in ("1", "2"):
        with pytest.raises(WorkitemError, match=tag):
            check_create(without)
    else:
        check_create(without)
    if rule.create == "1":
        with pytest.raises(WorkitemError, match=tag):
            check_create(workitem() | element(tag))


@pytest.mark.parametrize("rule", TOP, ids=lambda rule: rule.name)
def test_each_row_holds_at_a_change(rule):
    (tag,) = rule.path
    given = element(tag)
    if rule.set == "-":
        with pytest.raises(WorkitemError, match=tag):
            check_set(given)
    elif tag not in ("00741200", "00404041"):
        check_set(given)


def test_a_rule_holds_within_its_sequence_alone():
    inside = workitem(InputInformationSequence=about("1.2"))
    check_create(inside)
    request = element("0040A370", element("00080050", "A1"))
    with pytest.raises(WorkitemError, match="0020000D"):
        check_create(workitem() | request)


def test_a_final_state_wants_what_its_column_says():
    begun = workitem() | element("00741000", "IN PROGRESS")
    whole = begun | element("00080016", "1.2") | element("00080018", "1.3")
    whole |= element("00404010", "20260302")
    done = (
        element("00404028", {"00080100": {}})
        | element("00404050", "20260302")
        | element("00404019", {"00080100": {}})
        | element("00404051", "20260302")
        | element("00404033")
    )
    assert any("00741216" in one for one in missing_final(whole, StepState.COMPLETED))
    assert missing_final(whole | element("00741216", done), StepState.COMPLETED) == []
    for tag in done:
        part = {key: one for key, one in done.items() if key != tag}
        (missing,) = missing_final(whole | element("00741216", part), StepState.COMPLETED)
        assert tag in missing
    assert any("00741002" in one for one in missing_final(whole, StepState.CANCELED))
    assert not any("00741216" in one for one in missing_final(whole, StepState.CANCELED))


def test_what_is_no_dataset_is_refused():
    deep: dict = {}
    for _ in range(12):
        deep = element("00404021", deep)
    for wrong in (
        None, [], "x", {"1": {}}, {"00404021": []}, {"00404021": {"vr": "SQ", "Value": "x"}},
        {"00100010": {"vr": "PN", "Value": ["x"]}}, {"00741204": {"vr": "LO", "Value": [{}]}},
        {"00741204": {"vr": "PN"}}, {"00741204": {}}, deep,
    ):  # fmt: skip
        with pytest.raises(WorkitemError):
            check_model(wrong)
    assert check_model(workitem()) == workitem()


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        ("20260302-20260302", True),
        ("20260302101500-", True),
        ("20260302101600-", False),
        ("-20260301", False),
        ("20260302101500-0100", False),
        ("202603", True),
        ("20260303", False),
    ],
)
def test_ranges_of_instants(wanted, found):
    item = element("00404005", "20260302101500")
    assert matches(item, [Key(("00404005",), wanted)]) is found


def test_wildcards_and_lists():
    item = workitem(ScheduledStationNameCodeSequence=[coded("CT*1")]) | element("00080018", "1.2.3")
    for name, value, found in (
        ("ProcedureStepLabel", "sec*", False),
        ("ProcedureStepLabel", "Sec*", True),
        ("ProcedureStepLabel", "Second look", True),
        ("ProcedureStepLabel", "[S]econd look", False),
        ("PatientName", "TESTESEN*", True),
        ("SOPInstanceUID", "1.2", False),
        ("SOPInstanceUID", "1.2\\1.2.3", True),
        ("ScheduledStationNameCodeSequence.CodeValue", "CT?1", True),
        ("AccessionNumber", "", True),
    ):
        assert matches(item, [Key(path_of(name), value)]) is found, (name, value)


def test_a_filter_is_written_as_the_standard_does_or_key_by_key():
    one = [("filter", "PatientID=1,ProcedureStepState=SCHEDULED"), ("deletionlock", "true")]
    two = [("PatientID", "1"), ("ProcedureStepState", "SCHEDULED")]
    assert keys_of(one) == keys_of(two) == two
    assert parse([("includefield", "all"), ("offset", "4")]).offset == 4
