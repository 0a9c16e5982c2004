"""A pair of a made chest goes through the real segmenter, measurement and comparison."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
from followup_host import cutouts, host, offers

from bench.followup.hosts import Host
from bench.followup.rows import change_of, rows_of
from bench.followup.run import TURNS, Bench
from bench.followup.table import ratio_limits, report
from bench.nodule.pasted import Offers
from training.nodule.cutouts import Cutout

MODELS = Path(__file__).parents[2] / "onnx_models"


class Made(Bench):
    """A bench whose one scan is made."""

    @property
    def nodules(self) -> list[Cutout]:
        return list(cutouts())

    def scans(self) -> list[str]:
        return ["made"]

    def host(self, name: str) -> tuple[Host, Offers]:
        return host(), offers()


@pytest.fixture(scope="module")
def lines() -> list[dict[str, object]]:
    bench = Made("setting", [], Path(), MODELS, mode="known")
    return [bench.line(number) for number in (1, 3)]


def test_turns_are_follow_ups_at_each_interval_and_a_repeat(lines):
    assert [(line["kind"], line["days"]) for line in lines] == [TURNS[1], TURNS[3]]
    assert [line["refused"] for line in lines] == [None, None]
    assert {line["mode"] for line in lines} == {"known"}


def test_lesions_that_both_scans_show_are_matched(lines):
    rows = [row for row in rows_of(lines) if row["outcome"] == "matched"]
    assert len(rows) >= 9
    assert {row["said"] for row in rows} == {"matched"}


def test_new_and_resolved_lesions_are_not_matched(lines):
    rows = [row for row in rows_of(lines) if row["outcome"] in ("new", "resolved")]
    assert len(rows) >= 3
    assert all(row["said"] in (row["outcome"], "uncertain") for row in rows)


def test_solid_nodules_are_measured_nearly_as_they_are(lines):
    rows = [row for row in rows_of(lines) if row["outcome"] == "matched"]
    rows = [row for row in rows if row["texture"] == "solid" and row["diameter_mm"] > 6]
    assert len(rows) >= 3
    for row in rows:
        ratio = row["told_mm3"][1] / row["told_mm3"][0]
        assert math.log(ratio / row["ratio"]) == pytest.approx(0, abs=0.25), row


def test_the_comparison_tells_what_the_growth_rules_say(lines):
    """The intervals of the log are those that the error model gives the same sizes."""
    rows = [row for row in rows_of(lines) if row["said"] == "matched" and not row["withheld"]]
    assert rows
    for row in rows:
        change = change_of(row)
        low, high = ratio_limits(row)
        assert (high - low) / 2 == pytest.approx(change.log_limit, rel=0.02)


def test_the_report_reads_its_own_log(lines):
    text = report(lines)
    assert "part setting, mode known: 2 pairs of 1 scans" in text
    assert "called growth though nothing grew, repeats" in text
