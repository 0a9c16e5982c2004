"""What differs between settings, and one change laid over another."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gransk.core.errors import InvalidValueError
from gransk.site.differences import Change, Kind, differences, merge, with_value, without

PACS = {"name": "pacs", "host": "a", "port": 104}
VNA = {"name": "vna", "host": "b", "port": 104}


def test_keys_are_named_and_named_things_by_their_names():
    before = {"a": {"b": 1, "gone": 2}, "destinations": [PACS, VNA]}
    after = {"a": {"b": 3}, "destinations": [{**VNA, "host": "c"}, PACS, {"name": "new"}]}
    assert differences(before, after) == [
        Change("a.b", 1, 3),
        Change("a.gone", 2, None, Kind.REMOVED),
        Change("destinations[vna].host", "b", "c"),
        Change("destinations[new]", None, {"name": "new"}, Kind.ADDED),
        Change("destinations", ["pacs", "vna"], ["vna", "pacs", "new"], Kind.ORDERED),
    ]
    assert differences(after, after) == []


def test_other_lists_are_one_value():
    assert differences({"a": [1, 2]}, {"a": [1, 3]}) == [Change("a", [1, 2], [1, 3])]


def test_two_changes_of_different_keys_are_both_kept():
    base = {"a": 1, "b": 1, "destinations": [PACS]}
    mine = {"a": 2, "b": 1, "destinations": [{**PACS, "port": 1}, VNA]}
    theirs = {"a": 1, "b": 3, "destinations": [{**PACS, "host": "z"}]}
    merged, conflicts = merge(base, mine, theirs)
    assert conflicts == []
    both = {"name": "pacs", "host": "z", "port": 1}
    assert merged == {"a": 2, "b": 3, "destinations": [both, VNA]}


@pytest.mark.parametrize(
    ("mine", "theirs", "key"),
    [
        ({"a": {"b": 2}}, {"a": {"b": 3}}, "a.b"),
        ({"a": {}}, {"a": {"b": 3}}, "a.b"),
        ({"a": {"b": 2}}, {"a": {}}, "a.b"),
        ({"a": [1]}, {"a": {"b": 2}}, "a"),
    ],
)
def test_one_key_changed_to_two_things_is_a_conflict(mine, theirs, key):
    assert merge({"a": {"b": 1}}, mine, theirs) == (theirs, [key])


def test_a_thing_changed_here_and_removed_there_is_a_conflict():
    _, conflicts = merge({"d": [PACS]}, {"d": [{**PACS, "host": "z"}]}, {"d": []})
    assert conflicts == ["d[pacs]"]


def test_who_changed_the_order_says_it():
    one, two, three = ({"name": name} for name in "abc")
    merged, conflicts = merge([one, two], [two, one], [one, two, three])
    assert (merged, conflicts) == ([two, one, three], [])
    merged, conflicts = merge([one, two], [one, two, three], [two, one])
    assert (merged, conflicts) == ([two, one, three], [])


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-3, 3) | st.sampled_from("xy"),
    lambda inner: (
        st.lists(inner, max_size=2)
        | st.dictionaries(st.sampled_from("abc"), inner, max_size=3)
        | st.lists(
            st.fixed_dictionaries({"name": st.sampled_from("pq"), "v": inner}),
            max_size=2,
            unique_by=lambda one: one["name"],
        )
    ),
    max_leaves=8,
)
_SETTINGS = st.dictionaries(st.sampled_from("abc"), _JSON, max_size=3)


@given(_SETTINGS, _SETTINGS)
def test_a_change_alone_is_taken_as_it_is(base, mine):
    assert merge(base, mine, base) == (mine, [])
    assert merge(base, base, mine) == (mine, [])
    assert merge(base, mine, mine) == (mine, [])
    assert (differences(base, mine) == []) == (base == mine)


def test_a_value_is_put_at_a_key():
    content = {"a": {"b": 1}, "destinations": [PACS]}
    assert with_value(content, "a.c.d", 2)["a"] == {"b": 1, "c": {"d": 2}}
    assert with_value(content, "destinations[pacs].port", 1)["destinations"] == [
        {**PACS, "port": 1}
    ]
    added = with_value(content, "destinations[vna]", {"host": "b", "port": 104})
    assert added["destinations"] == [PACS, VNA]
    assert with_value({}, "overrides[x].name", "x") == {"overrides": [{"name": "x"}]}
    assert without(content, "destinations[pacs]")["destinations"] == []
    assert without(content, "a.b")["a"] == {}
    assert without(content, "a.nothing") == content
    assert content == {"a": {"b": 1}, "destinations": [PACS]}, "what was given stays"


@pytest.mark.parametrize("key", ["", ".a", "a..b", "[a]", "a[", "a.b c", "a.b.c", "a[x]"])
def test_what_is_no_key_is_refused(key):
    with pytest.raises(InvalidValueError):
        with_value({"a": {"b": 1}}, key, 2)


def test_two_orders_of_the_same_things_are_a_conflict():
    """Of overrides the later counts: whose order holds is nobody's guess."""
    a, b, c = ({"name": name} for name in "abc")
    base = {"overrides": [a, b, c]}
    mine, theirs = {"overrides": [b, a, c]}, {"overrides": [a, c, b]}
    assert merge(base, mine, theirs) == (theirs, ["overrides"])
    assert merge(base, mine, mine) == (mine, [])
    assert merge(base, mine, {"overrides": [a, b]}) == ({"overrides": [b, a]}, [])
