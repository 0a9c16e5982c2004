"""The NYU reader study: published and printed figures come out again."""

import os
from pathlib import Path

import numpy as np
import pytest

from bench.reading import reader_study
from gransk.core.statistics.areas import areas, auc, difference, mean_area
from gransk.core.statistics.bootstrap import interval
from gransk.core.statistics.curve import area


@pytest.fixture(scope="module")
def study():
    path = Path(os.environ.get("GRANSK_DATA", "../shared/data")) / reader_study.FILE
    if not path.is_file():
        pytest.skip("the reader study is not at hand")
    return reader_study.read(path)


def test_the_study_is_whole(study):
    assert (len(study.malignant), len(set(study.exams)), study.malignant.sum()) == (1440, 720, 61)
    assert (len(study.readers), len(study.networks)) == (14, 7)


def test_mean_area_of_the_readers_is_the_published_one(study):
    assert reader_study.mean_of_readers(study) == pytest.approx(reader_study.PUBLISHED, abs=1e-3)
    found = mean_area(areas(list(study.readers.values()), study.malignant, study.exams))
    assert found.value == pytest.approx(reader_study.mean_of_readers(study))
    low, high = interval(study.exams, lambda rows: reader_study.mean_of_readers(study, rows))
    assert (found.low, found.high) == pytest.approx((low, high), abs=0.006)


@pytest.mark.parametrize(
    ("network", "value", "low", "high"),
    [
        ("AI_GMIC_top5", 0.881, 0.833, 0.917),
        ("AI_GMIC_top1", 0.857, 0.801, 0.899),
        ("AI_GLAM", 0.853, 0.806, 0.891),
        ("AI_DMVCNN", 0.779, 0.714, 0.832),
        ("AI_frcnn", 0.714, 0.637, 0.781),
        ("AI_end2end_inbreast", 0.586, 0.500, 0.667),
        ("AI_end2end_ddsm", 0.454, 0.379, 0.531),
    ],
)
def test_areas_of_the_networks(study, network, value, low, high):
    score = study.networks[network]
    assert auc(score, study.malignant) == pytest.approx((value, low, high), abs=6e-4)
    drawn = interval(study.exams, lambda rows: area(score[rows], study.malignant[rows]))
    assert drawn == pytest.approx((low, high), abs=0.012), "DeLong's is the bootstrap's"


def test_reader_and_network_together_beat_both(study):
    drawn = reader_study.hybrid_curve(study, "AI_GMIC_top5")
    assert drawn[0] == pytest.approx(reader_study.mean_of_readers(study))
    assert drawn[-1] == pytest.approx(area(study.networks["AI_GMIC_top5"], study.malignant))
    assert drawn[5] == pytest.approx(0.887, abs=1e-3)
    assert drawn[5] > max(drawn[0], drawn[-1])
    gain = reader_study.gain(study, "AI_GMIC_top5")
    assert gain.value == pytest.approx(drawn[5] - drawn[0])
    assert gain.low > 0


def test_the_best_network_is_not_below_the_readers_together(study):
    together = np.mean(list(study.readers.values()), axis=0)
    score = study.networks["AI_GMIC_top5"]
    found = difference(areas([score, together], study.malignant, study.exams))
    assert found.low < 0 < found.high


def test_the_command_prints_the_figures(study, capsys):
    data = os.environ.get("GRANSK_DATA", "../shared/data")
    reader_study.main(["--data", data])
    printed = capsys.readouterr().out
    assert "mean of 14 readers 0.7788, published 0.778" in printed
    assert "AI_GMIC_top5         0.881 (0.833 to 0.917)" in printed
