"""Studies of a site with analyses that ran beside those in use."""

from __future__ import annotations

import numpy as np
from pydantic import BaseModel, ConfigDict
from sqlalchemy import select
from web_objects import Lesions, findings_of_study
from web_site import Site

from gransk.core.application import Picture
from gransk.core.exam_facts import Fact
from gransk.core.keys import digest
from gransk.registry import beside
from gransk.registry.beside import Run
from gransk.registry.beside_tables import BesideRun, RunState
from gransk.results.blobs import BlobStore
from gransk.results.pictures import pack_pictures
from gransk.results.store import seal_analysis
from gransk.results.tables import ExamKnown, FactSource, Workitem
from gransk.site.database import utcnow

SETTINGS = {"models": {"detector": "other@2.0.0"}}


class Settings(BaseModel):
    model_config = ConfigDict(extra="forbid")

    models: dict[str, str] = {}


def picture() -> Picture:
    return Picture(
        caption={"en": "slice", "da": "snit"}, pixels=np.zeros((8, 8), np.uint8), outlines=()
    )


def run_beside(site: Site, study: str, nodules: int, name: str = "shadow") -> None:
    """A study's analysis beside, done."""
    blobs = BlobStore(site.config.blob_folder)
    found = findings_of_study("1.2.3", nodules)
    key = digest(["beside", study, name])
    with site.database.begin() as session:
        item = session.scalars(select(Workitem).where(Workitem.study_key == study)).one()
        assert beside.add(session, item, name, SETTINGS)
        stored = blobs.put(found.model_dump_json().encode())
        drawn = blobs.put(pack_pictures([picture()]))
        seal_analysis(session, key, "lesion", stored, drawn, 2.0)
        row = session.scalars(
            select(BesideRun).where(BesideRun.study_key == study, BesideRun.name == name)
        ).one()
        assert beside.start(session, Run.of(row), 3) is not None
        row.own_analysis = key
        beside.end(session, row, RunState.READY)


def eight(site: Site) -> list[str]:
    """Eight studies: in two of them the shadow finds nothing, in one it finds one fewer."""
    Lesions.settings_schema = Settings  # type: ignore[attr-defined]
    keys = []
    for number in range(1, 9):
        key = site.study(number)
        site.sealed(key, pictures=[picture()])
        run_beside(site, key, nodules={1: 0, 2: 0, 3: 1}.get(number, 2))
        with site.database.begin() as session:
            fact = ["Maker A" if number < 7 else "Maker B", FactSource.IMAGES.value]
            known = {Fact.EQUIPMENT.value: fact}
            session.add(ExamKnown(study_key=key, facts=known, at=utcnow()))
        keys.append(key)
    return keys
