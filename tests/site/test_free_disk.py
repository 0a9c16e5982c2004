"""The disk with the least room is asked for: results may lie on a share of their own."""

from __future__ import annotations

import shutil
from pathlib import Path
from types import SimpleNamespace

import pytest

from gransk.oversight.doctor import check_disk
from gransk.oversight.room import RoomLevel
from gransk.oversight.room import room as oversight_room
from gransk.pipeline.room import has_room
from gransk.site.config import Config, load_config
from gransk.site.free_disk import Disk, least_free_disk

GB = 1 << 30


@pytest.fixture
def config(tmp_path: Path) -> Config:
    file = tmp_path / "gransk.yaml"
    file.write_text("data_folder: data\n")
    return load_config(file)


@pytest.fixture
def free(config: Config, monkeypatch: pytest.MonkeyPatch) -> dict[str, int]:
    """Free room by folder; any other is of the machine's first disk."""
    found = {"data": 50 * GB, "blobs": 900 * GB}

    def usage(path: Path) -> SimpleNamespace:
        return SimpleNamespace(free=found.get(path.name, 20 * GB), total=1000 * GB)

    monkeypatch.setattr(shutil, "disk_usage", usage)
    return found


def test_the_lesser_counts(config: Config, free: dict[str, int]) -> None:
    config.blob_folder.mkdir(parents=True)
    assert least_free_disk(config) == Disk(config.data_folder, 50 * GB, 1000 * GB)
    free["blobs"] = GB
    assert least_free_disk(config) == Disk(config.blob_folder, GB, 1000 * GB)


def test_before_there_are_folders_it_is_where_they_will_be(
    config: Config, free: dict[str, int]
) -> None:
    assert least_free_disk(config).free == 20 * GB
    config.data_folder.mkdir()
    assert least_free_disk(config).free == 50 * GB


def test_a_share_that_is_full_is_seen_by_all(config: Config, free: dict[str, int]) -> None:
    config.blob_folder.mkdir(parents=True)
    assert has_room(config)
    free["blobs"] = 4096
    assert not has_room(config)
    assert oversight_room(config).level is RoomLevel.PAUSED
    (result,) = check_disk(config)
    assert result.seen == "disk_low"
    for language in ("en", "da"):
        assert str(config.blob_folder) in result.what(language)


def test_work_waits_for_a_data_folder_that_went(config: Config, free: dict[str, int]) -> None:
    config.blob_folder.mkdir(parents=True)
    shutil.rmtree(config.data_folder)
    assert not has_room(config)
