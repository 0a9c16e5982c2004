"""What is counted as told right, and the figures that come of it."""

from __future__ import annotations

import datetime
import math

import numpy as np
import pytest

from bench.followup.errors import errors_report
from bench.followup.outcomes import MISSING, OTHER, others, said_of
from bench.followup.pairs import TrueLesion
from bench.followup.rows import change_of, log_error, recalculated, rows_of, share
from bench.followup.run import Bench, read_log, run
from bench.followup.table import grown, log_vdt_error, ratio_held, report, vdt_held
from gransk.core.codes import PERCENT
from gransk.core.errors import ConfigurationError
from gransk.core.findings import Measurement
from gransk.core.followup import Comparison, Lesion, Look, Outcome
from nodule.coding import VOLUME_CHANGE
from nodule.guidelines.table import guidelines

DAY = datetime.date(2024, 1, 8)
HERE, FAR = (10.0, 10.0, 10.0), (60.0, 10.0, 10.0)


def look(place: tuple[float, float, float]) -> Look:
    return Look(study_instance_uid="1", series_instance_uid="1.1", date=DAY, centre_lps_mm=place)


def comparison(*lesions: Lesion) -> Comparison:
    return Comparison(
        application="nodule", application_version="0", current_study="2", prior_study="1",
        current_date=DAY, prior_date=DAY, lesions=lesions,
    )  # fmt: skip


def truth(outcome: Outcome, **changes: object) -> TrueLesion:
    values = {
        "source": "drawn", "texture": "solid", "place": "inner", "outcome": outcome,
        "diameter_mm": 8.0, "ratio": 1.0, "prior_mm": HERE, "current_mm": HERE,
    } | changes  # fmt: skip
    return TrueLesion(**values)


def matched(prior_uid: str, place: tuple[float, float, float]) -> Lesion:
    return Lesion(
        outcome=Outcome.MATCHED, current_uid="2.1", prior_uid=prior_uid,
        current=look(HERE), prior=look(place),
    )  # fmt: skip


def test_a_match_is_right_where_it_is_the_same_lesion():
    both = truth(Outcome.MATCHED)
    assert said_of(comparison(matched("1.1", FAR)), both, "2.1", "1.1")[0] == "matched"
    assert said_of(comparison(matched("1.9", FAR)), both, "2.1", "1.1")[0] == OTHER
    assert said_of(comparison(matched("1.9", HERE)), both, "2.1", None)[0] == "matched"
    assert said_of(comparison(matched("1.9", FAR)), both, "2.1", None)[0] == OTHER


def test_what_is_told_of_lesions_of_one_scan():
    new = Lesion(outcome=Outcome.NEW, current_uid="2.1", current=look(HERE))
    gone = Lesion(outcome=Outcome.RESOLVED, prior_uid="1.1", prior=look(HERE))
    told = comparison(new, gone)
    assert said_of(told, truth(Outcome.NEW), "2.1", None)[0] == "new"
    assert said_of(told, truth(Outcome.RESOLVED), None, "1.1")[0] == "resolved"
    assert said_of(told, truth(Outcome.MATCHED), "2.1", "1.1")[0] == "new"
    assert said_of(told, truth(Outcome.NEW), "2.7", None) == (MISSING, None)
    assert said_of(comparison(matched("1.9", FAR)), truth(Outcome.NEW), "2.1", None)[0] == "matched"
    assert said_of(told, truth(Outcome.NEW), None, None) == (MISSING, None)


def test_what_lies_on_no_known_lesion_is_counted_apart():
    known = (truth(Outcome.MATCHED), truth(Outcome.RESOLVED, current_mm=None, prior_mm=FAR))
    told = comparison(
        matched("1.1", HERE),
        Lesion(outcome=Outcome.RESOLVED, prior_uid="1.2", prior=look(FAR)),
        Lesion(outcome=Outcome.NEW, current_uid="2.2", current=look((200.0, 0.0, 0.0))),
        Lesion(outcome=Outcome.NEW, current_uid="2.3", current=look((220.0, 0.0, 0.0))),
    )
    assert others(told, known) == {"new": 2}


def side(mm3: float, mm: float, texture: str = "Solid") -> dict[str, object]:
    return {"mm3": mm3, "mm": mm, "texture": texture, "attached": False, "mean_hu": 0.0}


def row(before: float, now: float, ratio: float, days: int, **changes: object) -> dict[str, object]:
    """A free solid nodule in slices of 1 mm, told as the growth rules tell it."""
    lesion = {
        "outcome": "matched", "said": "matched", "ratio": ratio, "diameter_mm": 8.0,
        "source": "drawn", "texture": "solid", "place": "inner", "withheld": [],
        "prior_mm3": None, "current_mm3": None,
        "prior": side(before, 8.0), "current": side(now, 8.0 * (now / before) ** (1 / 3)),
        "told_mm3": [before, now], "told_mm": [8.0, 8.0 * (now / before) ** (1 / 3)],
        "host": "a", "kind": "follow-up", "days": days, "unlike": "", "cut": "",
        "thickness_mm": [1.0, 1.0], "breathing_mm": 3.0, "seed": 0, "mode": "known",
        "spacing_mm": {"prior": [0.01, 0.01, 0.01], "current": [0.01, 0.01, 0.01]},
    } | changes  # fmt: skip
    change = change_of(lesion)
    lesion["changes"] = {
        "volume_change_percent": {
            "value": change.volume_percent,
            "interval": [
                100 * (now / before * math.exp(s * change.log_limit) - 1) for s in (-1, 1)
            ],
        }
    }
    if change.vdt_days is not None:
        lesion["changes"]["vdt_days"] = {
            "value": change.vdt_days, "interval": list(change.vdt_interval_days),
        }  # fmt: skip
    return lesion


@pytest.mark.parametrize(
    ("true_days", "held"), [(110, False), (125, True), (200, True), (670, True), (700, False)]
)
def test_an_interval_holds_what_lies_in_it(true_days, held):
    """A true 200 days is seen as 117 to 684 at 91 days (clinical rules, section 5)."""
    told = row(100, 100 * 2 ** (91 / 200), 2 ** (91 / true_days), 91)
    assert change_of(told).vdt_interval_days == pytest.approx((117, 684), abs=1.5)
    assert vdt_held(told) == held
    assert ratio_held(told) == vdt_held(told)


def test_an_interval_without_end_holds_what_did_not_grow():
    told = row(100, 120, 0.5, 91)
    assert told["changes"]["vdt_days"]["interval"][1] is None
    assert vdt_held(told)
    assert not ratio_held(told)


def test_where_nothing_can_have_grown_only_shrinking_is_right():
    assert vdt_held(row(100, 70, 0.7, 91))
    assert not vdt_held(row(100, 70, 1.3, 91))
    assert vdt_held(row(100, 95, 1.1, 91))
    assert not vdt_held(row(100, 95, 1.4, 91))


def test_errors_of_doubling_times_are_logarithms():
    assert log_vdt_error(row(100, 200, 2.0, 182)) == pytest.approx(0)
    assert log_vdt_error(row(100, 400, 2.0, 182)) == pytest.approx(math.log(2))
    assert log_vdt_error(row(100, 90, 2.0, 182)) == math.inf
    assert log_error(row(100, 200, 1.6, 182)) == pytest.approx(math.log(1.25))


def test_growth_is_called_by_each_rule():
    rules = {name: one.growth for name, one in guidelines().items()}
    still = row(100, 124, 1.0, 91, told_mm=[8.0, 9.5])
    assert not grown(still, rules["bts-2015"])
    assert not grown(still, rules["lung-rads-2022"])
    assert not grown(still, rules["fleischner-2017"])
    grew = row(100, 125, 1.0, 91, told_mm=[8.0, 9.6])
    assert grown(grew, rules["bts-2015"])
    assert grown(grew, rules["lung-rads-2022"])
    assert not grown(grew, rules["fleischner-2017"])
    assert grown(row(100, 125, 1.0, 91, told_mm=[8.0, 10.0]), rules["fleischner-2017"])


def line(number: int, *lesions: dict[str, object], **changes: object) -> dict[str, object]:
    common = ("host", "kind", "days", "unlike", "cut", "thickness_mm", "spacing_mm",
              "breathing_mm", "seed", "mode")  # fmt: skip
    return {
        "number": number, "part": "setting", "refused": None, "compared": True,
        **{name: lesions[0][name] for name in common}, "lesions": list(lesions),
    } | changes  # fmt: skip


def test_the_report_counts_what_was_told():
    lines = [
        line(0, row(100, 150, 1.5, 91), row(100, 90, 1.0, 91, said="uncertain"), others={"new": 2}),
        line(1, row(100, 130, 1.0, 91, kind="repeat"), row(100, 100, 1.0, 91, kind="repeat")),
        line(2, row(100, 100, 1.0, 91), refused="coverage_incomplete"),
    ]
    text = report(lines)
    assert "3 pairs of 1 scans, 4 lesions" in text
    assert "refused: coverage_incomplete 1" in text
    (confusion,) = [t for t in text.splitlines() if t.startswith("matched  ")]
    assert confusion.split()[:8] == ["matched", "3", "0", "0", "0", "1", "0", "0"]
    assert "told of what is no known lesion: new 2" in text
    assert "told right, of those not left open: 3/3 = 100.0 %" in text
    assert "3/4 = 75.0 %" in confusion
    repeats = text.split("repeats, not withheld")[1]
    assert "bts-2015           1/2 = 50.0 %" in repeats


def test_errors_are_set_beside_the_stated_ones():
    lines = [line(0, *(row(100, 100 * r, 1.0, 91) for r in (0.7, 0.95, 1.0, 1.05, 1.1)))]
    first = errors_report(lines).splitlines()
    assert "1 scans, 1 pairs, 5 lesions" in first[0]
    assert first[2].split()[:3] == ["all", "5", "-0.053"]
    assert "4/5 = 80.0 %" in first[2]
    unlike = [line(0, row(100, 100, 1.0, 91, unlike="kernel"), unlike="kernel")]
    assert "0 lesions" in errors_report(unlike)


def test_intervals_are_those_told_or_those_of_today():
    told = row(100, 150, 1.5, 91)
    kept = {name: dict(value) for name, value in told["changes"].items()}
    told["changes"]["volume_change_percent"]["interval"] = [49, 51]
    told["changes"]["vdt_days"]["interval"] = [150, 160]
    (line_now,) = recalculated([line(0, told)])
    changes = line_now["lesions"][0]["changes"]
    assert changes["vdt_days"]["interval"] == pytest.approx(kept["vdt_days"]["interval"])
    assert changes["volume_change_percent"]["interval"] == pytest.approx(
        kept["volume_change_percent"]["interval"]
    )
    assert told["changes"]["vdt_days"]["interval"] == [150, 160]


def test_errors_that_both_scans_have_are_told():
    """Volumes that both err alike give true ratios."""
    rows = [
        row(100 * e, 150 * e, 1.5, 91, prior_mm3=100.0, current_mm3=150.0)
        for e in np.linspace(0.6, 1.5, 12)
    ]
    text = errors_report([line(0, *rows)])
    assert "1.00 (1.00 to 1.00)" in text.split("errors of one scan's volume")[1]
    rows = [
        row(100 * e, 150 / e, 1.5, 91, prior_mm3=100.0, current_mm3=150.0)
        for e in np.linspace(0.6, 1.5, 12)
    ]
    assert "-1.00 (-1.00 to -1.00)" in errors_report([line(0, *rows)])


def test_sizes_are_those_that_the_comparison_told():
    """A comparison may outline anew what the analysis had outlined otherwise."""
    told = row(100, 150, 1.5, 91, told_mm3=[100.0, 165.0])
    assert log_error(told) == pytest.approx(math.log(1.1))
    assert change_of(told).volume_percent == pytest.approx(65)
    alone = row(100, 150, 1.5, 91, told_mm3=None)
    assert log_error(alone) == pytest.approx(0)


def test_refused_pairs_have_no_rows():
    assert rows_of([line(0, row(100, 100, 1.0, 91), refused="no_lungs")]) == []


def test_a_share_of_nothing_is_told_as_nothing():
    assert share([], lambda r: True) == "-"


class Counting(Bench):
    """Makes lines that tell their number alone."""

    def line(self, number: int) -> dict[str, object]:
        return {"number": number, "part": self.part, "mode": self.mode}


def test_a_stopped_run_goes_on(tmp_path):
    log = tmp_path / "log"
    bench = Counting("setting", [tmp_path], tmp_path, tmp_path)
    assert [x["number"] for x in run(bench, 2, log)] == [0, 1]
    with log.open("a") as file:
        file.write('{"number": 2, "par')
    assert [x["number"] for x in read_log(log)] == [0, 1]
    assert [x["number"] for x in run(bench, 4, log)] == [2, 3]
    assert [x["number"] for x in read_log(log)] == [0, 1, 2, 3]
    with pytest.raises(ConfigurationError, match="setting"):
        list(run(Counting("measuring", [tmp_path], tmp_path, tmp_path), 4, log))


def test_an_interval_of_the_change_is_what_the_comparison_codes():
    """The names that rows are read by are those of the application's measurements."""
    told = Measurement(
        name="volume_change_percent", concept=VOLUME_CHANGE, unit=PERCENT, value=25.0,
        interval=(0.0, 56.0),
    )  # fmt: skip
    lesion = matched("1.1", HERE).model_copy(update={"changes": (told,)})
    assert lesion.changed("volume_change_percent").interval == (0.0, 56.0)
