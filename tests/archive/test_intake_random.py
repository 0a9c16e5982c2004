"""Whatever happens to an archive, in any order: in the end we know what it holds."""

from __future__ import annotations

import random
from collections.abc import Callable

import pytest
from tiny import SR, Site, TinyStudy

pytestmark = pytest.mark.system
STEPS = 25
ACTS = (
    *("send", "send", "replace", "report", "correct", "lose_image", "lose_study"),
    *("restart", "look", "look", "count"),
)


class World:
    """An archive to which random things happen."""

    def __init__(self, here: Site, seed: int) -> None:
        self.here = here
        self.random = random.Random(seed)
        self.studies = [TinyStudy(f"P{number}", expected=2) for number in range(3)]

    def step(self) -> str:
        name = self.random.choice(ACTS)
        getattr(self, name)(self.random.choice(self.studies))
        return name

    def send(self, study: TinyStudy) -> None:
        self.here.send(*study.images())

    def replace(self, study: TinyStudy) -> None:
        self.here.send(study.image(1, value=self.random.randrange(1, 5)))

    def report(self, study: TinyStudy) -> None:
        self.here.send(study.other(SR, "SR", Manufacturer="Gransk"))

    def correct(self, study: TinyStudy) -> None:
        """The patient's number was wrong: the study is sent under another, the old deleted."""
        self.lose_study(study)
        study.patient_id += "x"
        self.send(study)

    def lose_image(self, study: TinyStudy) -> None:
        for orthanc_id in self.held(study):
            instances = self.here.process.client.instances(orthanc_id)
            self.here.process.client.delete_instance(instances[0].orthanc_id)

    def lose_study(self, study: TinyStudy) -> None:
        for orthanc_id in self.held(study):
            self.here.process.client.delete_study(orthanc_id)

    def restart(self, _: TinyStudy) -> None:
        self.here.restarted()

    def look(self, _: TinyStudy) -> None:
        self.here.look()

    def count(self, _: TinyStudy) -> None:
        self.here.intake._watch.count_soon()
        self.here.look()

    def held(self, study: TinyStudy) -> list[str]:
        client = self.here.process.client
        return [s["ID"] for s in client.studies() if self.uid(s) == study.uid]

    def uid(self, listed: dict[str, dict[str, str]]) -> str:
        return listed["MainDicomTags"]["StudyInstanceUID"]

    def images(self, study: TinyStudy) -> int:
        client = self.here.process.client
        return sum(
            len(series["Instances"])
            for orthanc_id in self.held(study)
            for series in client.study_series(orthanc_id)
            if series["MainDicomTags"]["Modality"] == "CT"
        )


@pytest.mark.parametrize("seed", range(6))
def test_any_order(site: Callable[..., Site], seed: int) -> None:
    here = site(incomplete_after_seconds=0)
    world = World(here, seed)
    steps = [world.step() for _ in range(STEPS)]
    here.restarted()
    here.look(3)
    for study in world.studies:
        rows = [row for row in here.rows() if row.study_instance_uid == study.uid]
        there = [row for row in rows if row.deleted_at is None and row.images]
        images = world.images(study)
        assert len(there) == (1 if images else 0), (seed, steps)
        for row in rows:
            acts = [act for act, key in here.diary.told if key == row.key]
            active = bool(acts) and acts[-1] != "withdraw"
            assert active == (row in there), (seed, steps, acts)
            assert not row.pending
            if row in there:
                assert row.images == images
                assert row.settled_fingerprint == row.fingerprint
                assert row.patient_id == study.patient_id
    assert here.look(2) == []
    assert not here.intake._watch._counts_differ()
