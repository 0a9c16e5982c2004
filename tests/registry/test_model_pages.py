"""The pages of models: upload, stages, approval by another, evidence, roll-back; who may what."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import made_models as made
import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "web"))

from web_site import Site, open_site

from bench.contracts.cards import EXAMPLES
from gransk.core.models import Card, OperatingPoint
from gransk.reading.policy_tables import Validation
from gransk.registry.stages import one
from gransk.registry.tables import Stage
from gransk.site.database import utcnow
from gransk.site.tables import Role
from gransk.web.model_evidence import linkable

NAME = "double@1.0.0"
TASK = "Doubles <script>alert(1)</script>"


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    """A site with one admitted model."""
    found = open_site(made.make_config(tmp_path), None)
    found.account("admin", "Anna", Role.ADMINISTRATOR)
    with found.database.begin() as session:
        made.enter(session, NAME, task=TASK, limits=["<b>none</b>"])
    yield found
    found.close()


def stage_of(site: Site) -> tuple[Stage, bool]:
    with site.database.read() as session:
        found = one(session, NAME)
    return found.stage, found.proposed is not None


def test_a_model_goes_from_candidate_to_active_by_two_people(site: Site) -> None:
    anna = site.signed_in("admin")
    karen = site.person(Role.RESPONSIBLE_RADIOLOGIST, name="karen")
    shown = anna.get(f"/models/{NAME}")
    assert shown.status_code == 200
    assert "<script>alert" not in shown.text
    assert "&lt;b&gt;none" in shown.text
    act = f"/models/{NAME}"
    assert (
        anna.post(f"{act}/stage", data={"stage": "active", "reason": "at once"}).status_code == 409
    )
    answer = anna.post(f"{act}/stage", data={"stage": "shadow", "reason": "to compare"})
    assert answer.headers["location"] == f"{act}?done=staged"
    answer = anna.post(
        f"{act}/stage",
        data={"stage": "active", "reason": "finds more", "figures": '{"auc": 0.9}'},
        files={"file": ("report <1>.pdf", b"%PDF", "application/pdf")},
    )
    assert answer.headers["location"] == f"{act}?done=proposed"
    assert stage_of(site) == (Stage.SHADOW, True)
    assert anna.post(f"{act}/decide", data={"approved": "yes"}).status_code == 403
    assert karen.post(f"{act}/decide", data={"approved": "yes"}).status_code == 303
    assert stage_of(site) == (Stage.ACTIVE, False)
    shown = karen.get(f"{act}?done=approved").text
    assert "auc" in shown
    assert "report &lt;1&gt;.pdf" in shown
    number = shown.split(f"{act}/evidence/")[1].split('"')[0]
    file = karen.get(f"{act}/evidence/{number}")
    assert file.content == b"%PDF"
    assert file.headers["content-disposition"].startswith("attachment")
    assert file.headers["content-type"] == "application/octet-stream"
    assert karen.get(f"/models/nodule-detector/evidence/{number}").status_code == 404
    (told,) = karen.get("/api/models").json()["admitted"]
    assert (told["stage"], told["named_by"]) == ("active", [])
    answer = karen.post(f"{act}/roll-back", data={"reason": "worse than before"})
    assert answer.status_code == 409


def test_who_both_proposes_and_approves_does_not(site: Site) -> None:
    both = site.person(Role.RESPONSIBLE_RADIOLOGIST, Role.ADMINISTRATOR, name="both")
    act = f"/models/{NAME}"
    both.post(f"{act}/stage", data={"stage": "shadow", "reason": "to compare"})
    both.post(f"{act}/stage", data={"stage": "active", "reason": "finds more"})
    assert both.post(f"{act}/decide", data={"approved": "yes"}).status_code == 409
    assert stage_of(site) == (Stage.SHADOW, True)
    assert both.post(f"{act}/withdraw", data={"reason": "too early"}).status_code == 303
    assert stage_of(site) == (Stage.SHADOW, False)


def test_an_upload_is_admitted_or_refused_with_every_cause(site: Site, tmp_path: Path) -> None:
    anna = site.person(Role.ADMINISTRATOR, name="eva", language="da")
    good = made.package(tmp_path / "good", version="1.1.0")
    answer = _upload(anna, made.zipped(good, tmp_path / "good.zip"))
    assert answer.headers["location"] == "/models/double@1.1.0?done=admitted"
    bad = made.package(tmp_path / "bad", version="1.2.0", licence="mine", without=["golden"])
    answer = _upload(anna, made.zipped(bad, tmp_path / "bad.zip"))
    assert answer.headers["location"] == "/models?refused=3"
    answer = anna.get("/models?refused=3")
    assert "Modellen er afvist" in answer.text
    assert "Licensen er ikke et kendt SPDX-udtryk" in answer.text
    assert "Kortet nævner intet kontroleksempel" in answer.text
    assert anna.get("/models/double@1.2.0").status_code == 404
    assert anna.post("/models", files={"other": ("x", b"x")}).status_code == 422
    left = {path.name for path in site.config.admitted_folder.iterdir()}
    assert left == {"double@1.1.0"}


def _upload(client: Any, path: Path) -> Any:
    """As the page's form sends it, its token in the form."""
    token = client.headers.pop("x-csrf-token")
    try:
        return client.post(
            "/models",
            data={"csrf": token},
            files={"file": (path.name, path.read_bytes(), "application/zip")},
        )
    finally:
        client.headers["x-csrf-token"] = token


def test_a_form_that_is_too_large_is_not_taken_in(site: Site) -> None:
    anna = site.signed_in("admin")
    token = anna.headers.pop("x-csrf-token")
    kind = {"content-type": "multipart/form-data; boundary=x"}
    much = site.config.models.max_mb * 1024 * 1024 * 2
    answer = anna.post("/models", content=b"x", headers=kind | {"content-length": str(much)})
    assert answer.status_code == 413

    def pieces() -> Iterator[bytes]:
        yield b"x"

    assert anna.post("/models", content=pieces(), headers=kind).status_code == 411
    assert token


def test_who_may_not_change_models(site: Site) -> None:
    for role in (Role.RADIOLOGIST, Role.AUDITOR):
        client = site.person(role)
        sees = role is Role.AUDITOR
        assert (client.get("/models").status_code == 200) == sees
        assert (client.get(f"/models/{NAME}").status_code == 200) == sees
        for act in ("stage", "evidence", "decide", "withdraw", "roll-back"):
            assert client.post(f"/models/{NAME}/{act}", data={"reason": "no"}).status_code == 403
        assert client.post("/models", files={"file": ("x.zip", b"x")}).status_code == 403
    assert stage_of(site) == (Stage.CANDIDATE, False)


def test_shipped_models_are_shown_with_their_limits(site: Site) -> None:
    anna = site.signed_in("admin")
    shown = anna.get("/models/nodule-detector")
    assert shown.status_code == 200
    assert (
        anna.post(
            "/models/nodule-detector/stage", data={"stage": "retired", "reason": "old"}
        ).status_code
        == 404
    )
    names = [one["name"] for one in anna.get("/api/models").json()["shipped"]]
    assert "mammo-detector" in names
    assert "/models" in anna.get("/administration").text


def test_figures_that_are_none(site: Site) -> None:
    anna = site.signed_in("admin")
    act = f"/models/{NAME}/evidence"
    for figures in ("", "x", "[1]", '{"a": NaN}', "[" * 5000):
        assert anna.post(act, data={"figures": figures}).status_code == 409, figures
    assert anna.post(act, data={"figures": '{"a": 1}'}).status_code == 303


def test_a_validation_of_a_model_by_contract_is_known_by_what_decides_its_findings(
    site: Site,
) -> None:
    card = Card.model_validate(EXAMPLES["volume-boxes"].card | {"sha256": "2" * 64})
    stricter = card.model_copy(
        update={"operating_point": OperatingPoint(threshold=0.9, chosen_on="")}
    )
    with site.database.begin() as session:
        for unit, digest in (("north", card.digest), ("south", card.sha256)):
            session.add(
                Validation(
                    unit=unit, application="nodule", models={card.id: [card.version, digest]},
                    exams=2, cancers=1, report={}, digest="3" * 64, signed_by="karen",
                    signed_at=utcnow(),
                )
            )  # fmt: skip
    with site.database.read() as session:
        assert [one.content["unit"] for one in linkable(session, card)] == ["north"]
        assert linkable(session, stricter) == []
    with site.database.begin() as session:
        made.enter(session, card.name, **EXAMPLES["volume-boxes"].card, sha256="2" * 64)
    shown = site.signed_in("admin").get(f"/models/{card.name}")
    assert card.digest in shown.text, "reports name it so"
