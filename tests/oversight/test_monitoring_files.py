"""The dashboard and the alert rules ask for figures that there are."""

from __future__ import annotations

import datetime
import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

from gransk.archive.status import Cause, State, Status
from gransk.oversight.metrics import COUNTED, Figures, written
from gransk.oversight.room import Room
from gransk.oversight.running import Running

FOLDER = Path(__file__).parents[2] / "deploy" / "monitoring"
RULES = FOLDER / "alerts.yaml"
LABELS = re.compile(r"(gransk_\w+)(?:\{(\w+)=~?\"([^\"]+)\"\})?")


@pytest.fixture(scope="module")
def known() -> set[str]:
    """Names of every family, with ``_total`` of counters."""
    at = datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)
    found = Running(at, at, [], [], [], [], [], [], [], Room(Path("data"), 1, 2, 4096, 2048))
    intake = Status(State.RUNNING, Cause.NONE, at)
    text, _ = written(Figures(found, intake, 1, {kind.value: 0 for kind in COUNTED}), "")
    families = re.findall(r"^# TYPE (\S+)", text.decode(), re.MULTILINE)
    assert len(families) > 10
    return set(families)


def expressions() -> list[str]:
    dashboard = json.loads((FOLDER / "grafana.json").read_text(encoding="utf-8"))
    rules = yaml.safe_load(RULES.read_text(encoding="utf-8"))["groups"][0]["rules"]
    panels = [target["expr"] for one in dashboard["panels"] for target in one["targets"]]
    return [*panels, *(rule["expr"] for rule in rules)]


@pytest.mark.parametrize("asked", expressions())
def test_what_is_asked_for_is_there(asked: str, known: set[str]) -> None:
    for name, label, value in LABELS.findall(asked):
        assert name in known, name
        if label == "kind" and name == "gransk_events_total":
            assert value in {kind.value for kind in COUNTED}, value


def test_every_rule_says_what_to_do() -> None:
    rules = yaml.safe_load(RULES.read_text(encoding="utf-8"))["groups"][0]["rules"]
    assert len(rules) >= 10
    for rule in rules:
        assert {"summary", "remedy"} <= set(rule["annotations"])
        assert rule["labels"]["severity"] in ("warning", "critical")


@pytest.mark.skipif(shutil.which("promtool") is None, reason="no promtool (Debian: prometheus)")
def test_prometheus_takes_the_rules() -> None:
    done = subprocess.run(["promtool", "check", "rules", RULES], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
