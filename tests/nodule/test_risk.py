"""Risk models: every vector, what every term adds, unknown answers and scope."""

from __future__ import annotations

import copy
import itertools
import math

import pytest
import yaml
from risk_vectors import (
    BROCK,
    BROCK_IDS,
    HERDER,
    MAYO,
    UPTAKES,
    brock_values,
    mayo_values,
    profile,
)

from gransk.core.errors import ConfigurationError, InvalidValueError
from nodule.risk import estimate as estimates
from nodule.risk import reasons
from nodule.risk.estimate import Contribution, RiskRefusedError, estimate, estimate_json
from nodule.risk.labels import ANSWERS, INPUTS
from nodule.risk.model import FOLDER, RiskModel, load_model, models, options
from nodule.risk.profile import inputs
from nodule.risk.reasons import Refusal, Warned


def point(model: str, **values) -> float:
    low, high = estimate(model, profile(**values)).probability
    assert low == high
    return low


def codes(model: str, **values) -> list[Warned]:
    return [warning.code for warning in estimate(model, profile(**values)).warnings]


def refused(model: str, **values) -> RiskRefusedError:
    with pytest.raises(RiskRefusedError) as caught:
        estimate(model, profile(**values))
    return caught.value


@pytest.mark.parametrize("name", BROCK_IDS)
@pytest.mark.parametrize(("vector", "percents"), BROCK)
def test_brock_gives_its_vectors(name, vector, percents):
    wanted = percents[BROCK_IDS.index(name)]
    assert 100 * point(name, **brock_values(vector)) == pytest.approx(wanted, abs=6e-7)


@pytest.mark.parametrize("smoking", ["former", "current"])
@pytest.mark.parametrize(("vector", "wanted"), MAYO)
def test_mayo_gives_its_vectors(vector, wanted, smoking):
    assert point("mayo", **mayo_values(vector, smoking)) == pytest.approx(wanted, abs=6e-7)


@pytest.mark.parametrize(("mayo", "wanted"), HERDER)
def test_herder_gives_its_vectors(mayo, wanted):
    for uptake, probability in zip(UPTAKES, wanted, strict=True):
        found = point("herder", mayo_probability=mayo, pet_uptake=uptake)
        assert found == pytest.approx(probability, abs=6e-5)


def test_herder_calculates_mayo_where_it_was_not_typed():
    values = mayo_values(MAYO[2][0])
    found = estimate("herder", profile(**values, pet_uptake="faint"))
    mayo = next(part for part in found.contributions if part.input == "mayo_probability")
    assert mayo.value == pytest.approx(0.187475, abs=6e-7)
    assert mayo.log_odds[0] == pytest.approx(3.691 * 0.187475, abs=1e-5)
    assert Warned.TYPED_MAYO not in [warning.code for warning in found.warnings]
    assert Warned.TYPED_MAYO in codes("herder", **values, pet_uptake="faint", mayo_probability=0.5)


def test_the_terms_add_up_and_each_is_told():
    found = estimate("brock-2b", profile(**brock_values(BROCK[1][0])))
    told = {part.input: part.log_odds[0] for part in found.contributions}
    assert told == pytest.approx(
        {
            "constant": -6.7892,
            "age_years": 6 * 0.0287,
            "sex": 0.6011,
            "family_history_lung_cancer": 0.2961,
            "emphysema": 0.0,
            "maximum_transverse_diameter_mm": -5.3854 * (1 - 1.58113883),
            "texture": 0.0,
            "upper_lobe": 0.6581,
            "nodule_count": -2 * -0.0824,
            "spiculated": 0.0,
        }
    )
    assert 1 / (1 + math.exp(-sum(told.values()))) == pytest.approx(found.probability[0])


@pytest.mark.parametrize(("asked", "used"), [("brock-1b", "brock-1a"), ("brock-2b", "brock-2a")])
def test_unknown_spiculation_takes_the_model_without_it_and_says_so(asked, used):
    values = {**brock_values(BROCK[1][0]), "spiculated": None}
    found = estimate(asked, profile(**values))
    assert (found.asked.id, found.model.id) == (asked, used)
    assert found.probability == estimate(used, profile(**values)).probability
    assert "spiculated" not in [part.input for part in found.contributions]
    warning = next(w for w in found.warnings if w.code is Warned.ANOTHER_MODEL)
    assert warning.about == (used,)


@pytest.mark.parametrize("unknown", ["family_history_lung_cancer", "emphysema"])
def test_unknown_family_history_or_emphysema_gives_a_range(unknown):
    values = brock_values(BROCK[1][0])
    found = estimate("brock-2b", profile(**{**values, unknown: None}))
    ends = [point("brock-2b", **{**values, unknown: answer}) for answer in (False, True)]
    assert found.probability == pytest.approx(tuple(ends))
    assert estimate_json(found)["probability"] == pytest.approx(ends)
    part = next(part for part in found.contributions if part.input == unknown)
    assert part.value is None
    assert part.log_odds[0] < part.log_odds[1]
    assert [w.about for w in found.warnings if w.code is Warned.RANGE] == [(unknown,)]


@pytest.mark.parametrize("unknown", ["sex", "texture", "upper_lobe"])
def test_any_unknown_choice_widens_to_all_its_answers(unknown):
    values = brock_values(BROCK[3][0])
    ends = []
    for answer in options(unknown):
        typed = {"yes": True, "no": False}.get(answer, answer)
        ends.append(point("brock-2a", **{**values, unknown: typed}))
    found = estimate("brock-2a", profile(**{**values, unknown: None})).probability
    assert found == pytest.approx((min(ends), max(ends)))


def test_several_unknown_answers_give_the_ends_of_all_that_they_may_be():
    answers = {
        "smoking": ["never", "former", "current"],
        "extrathoracic_cancer": ["none", "over_5_years"],
        "spiculated": [False, True],
        "upper_lobe": [False, True],
    }
    known = {"age_years": 60, "maximum_transverse_diameter_mm": 10, "earlier_lung_cancer": False}
    every = [
        point("mayo", **known, **dict(zip(answers, each, strict=True)))
        for each in itertools.product(*answers.values())
    ]
    found = estimate("mayo", profile(**known)).probability
    assert found == pytest.approx((min(every), max(every)))


@pytest.mark.parametrize("unknown", ["age_years", "maximum_transverse_diameter_mm", "nodule_count"])
def test_an_unknown_number_refuses(unknown):
    error = refused("brock-2b", **{**brock_values(BROCK[0][0]), unknown: None})
    assert (error.reason, error.inputs) == (Refusal.INPUT_MISSING, (unknown,))


def test_uptake_is_never_assumed():
    error = refused("herder", mayo_probability=0.1)
    assert (error.reason, error.inputs) == (Refusal.INPUT_MISSING, ("pet_uptake",))


def test_herder_keeps_the_range_of_mayo():
    values = {**mayo_values(MAYO[0][0]), "pet_uptake": "none"}
    found = estimate("herder", profile(**{**values, "spiculated": None}))
    ends = [point("herder", **{**values, "spiculated": s}) for s in (False, True)]
    assert found.probability == pytest.approx(tuple(ends))
    assert [w.about for w in found.warnings if w.code is Warned.RANGE] == [("spiculated",)]


@pytest.mark.parametrize("model", ["mayo", "herder"])
@pytest.mark.parametrize(
    ("name", "value", "reason"),
    [
        ("extrathoracic_cancer", "within_5_years", Refusal.CANCER_WITHIN_5_YEARS),
        ("earlier_lung_cancer", True, Refusal.EARLIER_LUNG_CANCER),
    ],
)
def test_mayo_and_herder_do_not_apply_after_some_cancers(model, name, value, reason):
    values = {**mayo_values(MAYO[0][0]), "pet_uptake": "none", "mayo_probability": 0.2}
    assert refused(model, **{**values, name: value}).reason is reason


def test_an_unknown_cancer_history_is_said():
    values = {**mayo_values(MAYO[0][0]), "earlier_lung_cancer": None}
    found = estimate("mayo", profile(**values))
    assert [w.about for w in found.warnings] == [("earlier_lung_cancer",)]
    assert found.warnings[0].code is Warned.SCOPE_UNKNOWN


@pytest.mark.parametrize("name", BROCK_IDS)
def test_brock_is_for_first_scans_of_smokers(name):
    values = brock_values(BROCK[0][0])
    assert codes(name, **values) == []
    for course in ("new", "growing"):
        assert refused(name, **{**values, "course": course}).reason is Refusal.NEW_OR_GROWING
    assert codes(name, **{**values, "course": "stable"}) == [Warned.NOT_FIRST_SCAN]
    assert codes(name, **{**values, "smoking": "never"}) == [Warned.NEVER_SMOKER]
    assert codes(name, **{**values, "smoking": None, "course": None}) == [Warned.SCOPE_UNKNOWN]
    assert codes(name, **{**values, "smoking": "current"}) == []


def test_the_scope_is_told_with_the_result():
    told = estimate_json(estimate("brock-2b", profile(**brock_values(BROCK[0][0]))))
    assert "first (baseline) screening CT of ever-smokers" in told["scope"]
    assert told["source"].startswith("McWilliams 2013")


def wrong_vectors(changed: dict[str, RiskModel], monkeypatch) -> int:
    """How many vectors a changed set of models no longer gives."""
    monkeypatch.setattr(estimates, "models", lambda: changed)
    checks = [(n, brock_values(v), p / 100, 6e-9) for v, ps in BROCK
              for n, p in zip(BROCK_IDS, ps, strict=True)]  # fmt: skip
    checks += [("mayo", mayo_values(v, s), p, 6e-7) for v, p in MAYO for s in ("former", "current")]
    checks += [("mayo", mayo_values((60, 0, 0, 10, 0, 0)), PLAIN_MAYO, 6e-7)]
    checks += [("herder", {"mayo_probability": m, "pet_uptake": u}, p, 6e-5)
               for m, ps in HERDER for u, p in zip(UPTAKES, ps, strict=True)]  # fmt: skip
    return sum(abs(point(n, **values) - wanted) > within for n, values, wanted, within in checks)


# The first vector without its 0.7917 for smoking and 0.7838 for the upper lobe.
PLAIN_MAYO = 1 / (1 + math.exp(0.7917 + 0.7838 - math.log(0.163598 / (1 - 0.163598))))


def numbers(data, path=()):
    """Paths to every number of a YAML."""
    if isinstance(data, dict | list):
        pairs = data.items() if isinstance(data, dict) else enumerate(data)
        for key, value in pairs:
            yield from numbers(value, (*path, key))
    elif isinstance(data, int | float) and not isinstance(data, bool):
        yield path


@pytest.mark.parametrize("name", sorted(path.stem for path in FOLDER.glob("*.yaml")))
def test_no_number_of_a_model_can_change_unnoticed(name, monkeypatch):
    data = yaml.safe_load((FOLDER / f"{name}.yaml").read_text(encoding="utf-8"))
    shipped = models()
    assert wrong_vectors(shipped, monkeypatch) == 0
    paths = list(numbers(data))
    assert len(paths) >= 5
    for path in paths:
        changed = copy.deepcopy(data)
        place = changed
        for key in path[:-1]:
            place = place[key]
        place[path[-1]] += 0.002
        model = RiskModel.model_validate(changed)
        assert wrong_vectors({**shipped, name: model}, monkeypatch) > 0, path


@pytest.mark.parametrize(
    ("old", "new", "fault"),
    [
        ("input: sex", "input: shoe_size", "no such key"),
        ("female: 0.6011, ", "", "one coefficient for every answer"),
        ("coefficient: 0.0287", "coefficients: {low: 1}", "coefficients are for choices"),
        ("refuse: new_or_growing", "refuse: bad_day", "refuse"),
        ("is: [never]", "is: [sometimes]", "not among its answers"),
        ("constant: -6.7892", "constant: .nan", "finite"),
        ("input: spiculated", "input: emphysema", "two terms"),
        ("state: primary", "state: guess", "state"),
    ],
)
def test_a_wrong_model_is_refused_when_loaded(tmp_path, old, new, fault):
    text = (FOLDER / "brock-2b.yaml").read_text(encoding="utf-8")
    assert old in text
    path = tmp_path / "brock-2b.yaml"
    path.write_text(text.replace(old, new), encoding="utf-8")
    with pytest.raises(ConfigurationError, match=fault):
        load_model(path)


def test_a_contribution_is_ordered():
    with pytest.raises(InvalidValueError):
        Contribution("sex", None, (1.0, 0.0))


@pytest.mark.parametrize("language", ["en", "da"])
def test_every_code_key_and_answer_has_a_text(language):
    for code in (*Refusal, *Warned):
        assert reasons.text(code, language, "x")
    for name in inputs():
        assert INPUTS[name][language]
        for answer in options(name) or ():
            assert ANSWERS[answer][language]
