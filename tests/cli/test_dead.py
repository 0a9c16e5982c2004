"""Dead letters at the console: whole ids where nobody watches, and another try."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from sqlalchemy import select

from gransk.cli.processes import gransk_command
from gransk.results.tables import Workitem, WorkState
from gransk.site.config import load_config
from gransk.site.database import utcnow
from gransk.site.migrate import open_database

ITEM = "dae07bb87e0d4a2f9c1b3e5d7f901234"


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "gransk.yaml"
    path.write_text("data_folder: data\n", encoding="utf-8")
    database = open_database(load_config(path))
    with database.begin() as session:
        session.add(
            Workitem(
                id=ITEM,
                study_key="s" * 32,
                application="nodule",
                state=WorkState.FAILED,
                reason="memory_limit",
                detail="grew past\n4096 MB",
                step="",
                share=0.0,
                priority=0,
                incomplete=False,
                fingerprint="f",
                generation=0,
                attempt=0,
                deaths=0,
                analysis_key=None,
                report_key=None,
                settings_version=1,
                created_at=utcnow(),
                images_at=utcnow(),
                started_at=None,
                finished_at=utcnow(),
            )
        )
    database.close()
    return path


def _dead(config: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = gransk_command("dead", *arguments, "--config", str(config))
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


def test_a_pipe_gets_one_line_an_entry_with_the_whole_id(config: Path) -> None:
    heading, line = _dead(config, "list").stdout.splitlines()
    assert heading.split("\t")[0] == "id"
    assert line.split("\t")[:5] == [
        ITEM, "analysis, nodule", "s" * 32, "memory_limit", "grew past 4096 MB",
    ]  # fmt: skip


def test_what_is_listed_can_be_tried_again(config: Path) -> None:
    assert _dead(config, "rerun", "none-of-these").returncode == 1
    assert _dead(config, "rerun", ITEM).returncode == 0
    database = open_database(load_config(config))
    with database.read() as session:
        item = session.scalars(select(Workitem)).one()
    database.close()
    assert (item.state, item.attempt) == (WorkState.WAITING, 1)
    assert _dead(config, "list").stdout.strip() == "Nothing failed for good."
