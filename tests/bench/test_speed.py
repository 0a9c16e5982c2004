"""The speed benchmark's clock, its series, and one analysis of it."""

from __future__ import annotations

import threading
import time

import numpy as np
import pytest
from nodule_synthetic import chest
from spot_model import write_models

from bench.nodule.scans import find_scan
from bench.nodule.speed import StepClock, Stopwatch, Taken, analyse, report, write_series


def test_calls_that_overlap_count_once():
    watch = Stopwatch()

    def call():
        with watch:
            time.sleep(0.2)

    threads = [threading.Thread(target=call) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert 0.19 < watch.seconds < 0.5
    call()
    assert watch.seconds > 0.39


@pytest.mark.timeout(120)
def test_a_written_series_is_the_scan_and_its_analysis_is_timed(tmp_path):
    scan = chest(spacing=(4.0, 2.4, 2.4), noise_hu=10)
    folder = tmp_path / "scan"
    folder.mkdir()
    write_series(scan, folder)
    back = find_scan(folder).volume()
    assert np.abs(back.hu - scan.hu).max() <= 0.5
    assert back.geometry.spacing == pytest.approx(scan.geometry.spacing)
    assert back.geometry.origin == pytest.approx(scan.geometry.origin)
    taken = analyse(folder, write_models(tmp_path / "models"), 1)
    assert 0 < taken.inference < taken.wall
    assert 0 < taken.decode < taken.wall
    assert 0 < taken.inference_cpu < taken.cpu
    assert 0 < taken.decode_cpu < taken.cpu
    assert taken.decode_cpu + taken.inference_cpu < taken.cpu
    assert taken.peak_gib > 0.05


def test_processor_time_is_told_by_step():
    clock = StepClock()
    clock("decode", 0.1)
    until = time.process_time() + 0.2
    while time.process_time() < until:
        clock("decode", 0.2)
    clock("lungs", 0.3)
    assert 0.19 < clock.cpu["decode"] < 0.4
    assert clock.cpu["load"] < 0.1


def test_the_report_gives_the_share_and_the_ratio():
    text = report(Taken(10.0, 3.0, 5.0, 16.0, 4.0, 8.0, 1.5, {"decode": 3.0}, 4))
    assert "80% of the wall time" in text
    assert "wall / (decode + raw inference) = 1.25" in text
    assert "processor time 16.0 s: decode 4.0, raw inference 8.0, 75% of it" in text
    assert "peak memory 1.50 GiB" in text
