from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from harness_orthanc import OrthancProcess, make_config

sys.path.insert(0, str(Path(__file__).parent))

from tiny import Site


@pytest.fixture(scope="session")
def shared_orthanc(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OrthancProcess]:
    """One Orthanc for every test that leaves it alive; nobody answers its nudges."""
    folder = tmp_path_factory.mktemp("orthanc")
    process = OrthancProcess(make_config(folder), folder / "orthanc")
    yield process.start()
    process.stop()


@pytest.fixture
def site(shared_orthanc: OrthancProcess, tmp_path: Path) -> Iterator[Callable[..., Site]]:
    """A factory of sites beside the shared Orthanc, which is emptied first."""
    for study in shared_orthanc.client.study_ids():
        shared_orthanc.client.delete_study(study)
    made: list[Site] = []

    def make(**intake: Any) -> Site:
        made.append(Site(shared_orthanc, tmp_path / f"site{len(made)}", **intake))
        return made[-1]

    yield make
    for one in made:
        one.database.close()
