"""A site whose unit has read exams to the end, for tests of its figures and policies."""

from __future__ import annotations

import datetime
import html
import re
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[2] / "reading"))

import pytest
from closed_exams import Made, close
from harness_orthanc import make_config
from reading_site import findings
from sqlalchemy import select
from web_objects import Lesions
from web_site import Site, open_site

from gransk.core.codes import Code
from gransk.core.findings import Findings, ModelIdentity, Quality
from gransk.core.keys import digest
from gransk.reading.outcome_store import state_outcomes
from gransk.reading.outcomes import ACCESSION, Outcome
from gransk.reading.policy import Room
from gransk.reading.readers import Listing, list_reader
from gransk.results.tables import FactSource
from gransk.site.database import utcnow
from gransk.site.tables import Account, Role
from gransk.web.reading.policy_form import FACTS, fields_of

DRAFT = "/reading/policies/draft"
TODAY = utcnow().date()
FIRST_DAY = utcnow() - datetime.timedelta(days=400)
READERS = ("anna", "bo", "cara", "dan")
UNITS = [
    {"name": "herlev", "title": "Herlev", "responsible": ["karen"]},
    {"name": "south", "title": "South & <East>", "responsible": ["svend"]},
]
FREE = Outcome(cancer=False, follow_up_months=24)
ILL = Outcome(cancer=True, found="screening", invasive=True, size_mm=8)
MISSED = Outcome(cancer=True, found="interval")
READ = Made(29).key
"""The exam whose findings are kept: they name density and models."""
EXAMS = (
    *(Made(n, days=n) for n in range(1, 29)),
    Made(29, days=29, ai={"analysis_key": digest(["analysis", READ])}),
    Made(30, days=30),
    *(Made(n, "rr", score=9.0, days=n) for n in range(31, 37)),
    *(Made(n, "nr", "n", score=4.0, days=n) for n in range(37, 41)),
    *(Made(n, days=n, facts={"round": ["first", "file"]}) for n in range(41, 46)),
    Made(46, "n", days=46),
    Made(47, unit="south", score=None, days=47),
)
"""45 exams of the unit that have ended, one that has not, and one of another unit."""


def outcome(number: int) -> Outcome:
    """Of six recalled women four had cancer; one cancer came in the interval."""
    return ILL if 31 <= number <= 34 else MISSED if number == 1 else FREE


def found() -> Findings:
    """What the AI found in an exam: dense, and by the models that opinions are sealed with."""
    dense = Code(value="129718006", scheme="SCT", meaning="Heterogeneously dense")
    composition = Code(value="129715009", scheme="SCT", meaning="Breast composition")
    quality = Quality(name="density_category", concept=composition, value=dense)
    model = ModelIdentity(id="mass", version="2", sha256="c" * 64, research=False)
    return findings().model_copy(
        update={"qualities": (quality,), "models": (model,), "application_version": "1.0"}
    )


@contextmanager
def read_site(folder: Path, exams: tuple[Made, ...] = EXAMS, **reading: Any) -> Iterator[Site]:
    """A site with readers, coordinators, responsible radiologists, and exams that ended.

    ``conny`` and ``karen`` read English, ``dorte`` (coordinator) and ``svend`` Danish.
    """
    data = Path(_data(exams).name)
    shutil.copytree(data, folder / "data")
    with _opened(folder, reading) as site:
        yield site


@cache
def _data(exams: tuple[Made, ...]) -> tempfile.TemporaryDirectory[str]:
    """What a site's data folder holds once it is filled: made once for all that ask for it."""
    kept = tempfile.TemporaryDirectory()
    with tempfile.TemporaryDirectory() as folder, _opened(Path(folder), {}) as site:
        _fill(site, exams)
        site.database.close()
        shutil.copytree(Path(folder) / "data", kept.name, dirs_exist_ok=True)
    return kept


@contextmanager
def _opened(folder: Path, reading: dict[str, Any]) -> Iterator[Site]:
    config = make_config(folder, reading={"units": UNITS} | reading, time_zone="UTC")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("gransk.web.app.applications", lambda: {"lesion": Lesions()})
        site = open_site(config)
    try:
        yield site
    finally:
        site.close()


def _fill(site: Site, exams: tuple[Made, ...]) -> None:
    for name, role, language in (
        ("admin", Role.ADMINISTRATOR, "en"), ("conny", Role.COORDINATOR, "en"),
        ("dorte", Role.COORDINATOR, "da"), ("karen", Role.RESPONSIBLE_RADIOLOGIST, "en"),
        ("svend", Role.RESPONSIBLE_RADIOLOGIST, "da"), ("vera", Role.AUDITOR, "en"),
        *((name, Role.RADIOLOGIST, "en") for name in READERS),
    ):  # fmt: skip
        site.account(name, f"{name.title()} <{role}>", role, language=language)
    with site.database.begin() as session:
        for account in session.scalars(select(Account)):
            account.created_at = FIRST_DAY - datetime.timedelta(days=9)
        session.flush()
        for unit in ("herlev", "south"):
            for name in READERS:
                listing = Listing(arbitrates=name in ("cara", "dan"))
                list_reader(session, unit, name, listing, "admin")
    for made in exams:
        day = (FIRST_DAY + datetime.timedelta(days=made.days)).strftime("%Y%m%d")
        site.study(made.number, study_date=day)
    if READ in {made.key for made in exams}:
        site.sealed(READ, found(), application="mammo", released=False)
    close(site.database, exams, FIRST_DAY)
    with site.database.begin() as session:
        said = {(ACCESSION, f"ACC{made.number}"): outcome(made.number) for made in exams}
        state_outcomes(session, said, FactSource.FILE, "conny")


# Policies


def room(kind="shadow", study=None, units=(), **values):
    return Room.model_validate(
        {
            "valid_from": TODAY,
            "policies": [{"name": "p", "kind": kind} | values],
            "rules": [
                {
                    "when": {"programmes": ["screening"], "units": list(units)},
                    "policy": "p",
                    "study": study,
                }
            ],
            "minimum": {"mammo": {"exams": 20, "cancers": 3}},
        }
    )


def form(made, step="keep", reason="as agreed", **changes):
    """What a browser sends of a room."""
    typed = fields_of(made, made.valid_from.isoformat())
    sent = {"mode": "form", "step": step, "reason": reason, "application": "mammo"}
    for name in ("valid_from", "exams", "cancers", "follow_up_months"):
        sent[name] = getattr(typed, name)
    for fact in FACTS:
        sent[f"known_by.{fact}"], sent[f"because.{fact}"] = typed.known_by[fact], ""
    for kind, many in (("policy", typed.policies), ("rule", typed.rules)):
        for n, one in enumerate(many):
            sent |= {f"{kind}.{n}.{name}": value for name, value in vars(one).items()}
    return sent | changes


def keep(client, made, **changes):
    answer = client.post(DRAFT, data=form(made, **changes))
    assert answer.status_code == 303, text_of(answer)
    return int(re.search(r"versions/(\d+)", answer.headers["location"])[1])


def approve(client, number):
    return client.post(f"/reading/policies/versions/{number}/approve")


def text_of(answer):
    return html.unescape(re.sub(r"<[^>]+>", " ", answer.text.split("<main")[1]))
