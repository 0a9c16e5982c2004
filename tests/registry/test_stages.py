"""Stages: the closed list of moves, two people for active, choice, roll-back; on both databases."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import made_models as made
import pytest
from sqlalchemy import text
from sqlalchemy.exc import DatabaseError

from gransk.core.application import applications
from gransk.core.errors import ModelError
from gransk.registry.choice import (
    ModelChoiceError,
    check_models,
    check_present,
    check_settings,
    choosing_versions,
    chosen_by,
    keys_naming,
    named_by,
    used_by,
)
from gransk.registry.refusals import ModelRefusal, RegistryError
from gransk.registry.rollback import roll_back
from gransk.registry.stages import (
    MOVES,
    Evidence,
    add_evidence,
    decide,
    of_stage,
    one,
    propose,
)
from gransk.registry.tables import EvidenceKind, Stage
from gransk.results.blobs import BlobStore
from gransk.site import people
from gransk.site.config import Config
from gransk.site.database import Database
from gransk.site.migrate import open_database
from gransk.site.settings import record_settings
from gransk.site.settings_refusals import SettingsError, SettingsRefusal
from gransk.site.site_keys import Host
from gransk.site.tables import Account, Role

NAME = "double@1.0.0"


class Room:
    """A site's registry with one candidate, its database, and two people."""

    def __init__(self, config: Config) -> None:
        self.config = config
        self.database: Database = open_database(config)
        with self.database.begin() as session:
            made.enter(session, NAME)
            for name, role in (
                ("anna", Role.ADMINISTRATOR), ("karen", Role.RESPONSIBLE_RADIOLOGIST),
                ("ole", Role.RADIOLOGIST),
            ):  # fmt: skip
                people.create_account(session, name, name.title(), [role])

    def account(self, name: str) -> Account:
        with self.database.read() as session:
            return session.query(Account).filter(Account.name == name).one()

    def move(self, *stages: Stage, name: str = NAME, author: str = "anna") -> None:
        for stage in stages:
            with self.database.begin() as session:
                propose(session, name, stage, author, "as the test wants")
            if stage is Stage.ACTIVE:
                with self.database.begin() as session:
                    decide(session, name, self.account("karen"), approved=True)

    def stage(self, name: str = NAME) -> Stage:
        with self.database.read() as session:
            return one(session, name).stage

    def refused(self, act: Any, *arguments: Any, **named: Any) -> ModelRefusal:
        with pytest.raises(RegistryError) as caught, self.database.begin() as session:
            act(session, *arguments, **named)
        return caught.value.refusal


@pytest.fixture
def room(tmp_path: Path, url: str) -> Any:
    found = Room(made.make_config(tmp_path, database={"url": url}))
    yield found
    found.database.close()


@pytest.fixture
def here(tmp_path: Path) -> Any:
    """The same on SQLite alone."""
    found = Room(made.make_config(tmp_path))
    yield found
    found.database.close()


def test_a_model_lives(room: Room) -> None:
    assert room.stage() is Stage.CANDIDATE
    room.move(Stage.SHADOW)
    stored = BlobStore(room.config.blob_folder).put(b"report")
    evidence = [
        Evidence(EvidenceKind.FIGURES, "", {"auc": 0.91}),
        Evidence(EvidenceKind.FILE, "report.pdf", {}, stored),
    ]
    with room.database.begin() as session:
        propose(session, NAME, Stage.ACTIVE, "shell:anna", "it finds more", evidence)
    assert room.stage() is Stage.SHADOW
    assert room.refused(propose, NAME, Stage.RETIRED, "anna", "no") is ModelRefusal.NO_REASON
    assert (
        room.refused(propose, NAME, Stage.RETIRED, "anna", "too old") is ModelRefusal.AWAITS_VERDICT
    )
    with room.database.begin() as session:
        decide(session, NAME, room.account("karen"), approved=False, reason="show me more")
    assert room.stage() is Stage.SHADOW
    room.move(Stage.ACTIVE)
    with room.database.begin() as session:
        add_evidence(session, NAME, "anna", [Evidence(EvidenceKind.FIGURES, "", {"late": 1})])
    with room.database.read() as session:
        found = one(session, NAME)
        assert of_stage(session, Stage.ACTIVE) == (NAME,)
    assert [step.stage for step in found.steps] == ["candidate", "shadow", "active", "active"]
    assert [step.stands for step in found.steps] == [True, True, False, True]
    assert [piece.content for piece in found.steps[2].evidence] == [{"auc": 0.91}, {}]
    assert found.steps[2].evidence[1].sha256 == stored.sha256
    assert found.steps[3].evidence[0].content == {"late": 1}
    for table in ("model", "model_step", "model_verdict", "model_evidence", "model_attempt"):
        with pytest.raises(DatabaseError, match="append-only"), room.database.begin() as session:
            session.execute(text(f"DELETE FROM {table}"))


def test_every_move_that_is_not_listed_is_refused(here: Room) -> None:
    ways = {
        Stage.CANDIDATE: (), Stage.SHADOW: (Stage.SHADOW,),
        Stage.ACTIVE: (Stage.SHADOW, Stage.ACTIVE), Stage.RETIRED: (Stage.RETIRED,),
    }  # fmt: skip
    for number, (stage, way) in enumerate(ways.items()):
        name = f"double@2.0.{number}"
        with here.database.begin() as session:
            made.enter(session, name)
        here.move(*way, name=name)
        assert here.stage(name) is stage
        for wanted in set(Stage) - MOVES[stage]:
            refusal = here.refused(propose, name, wanted, "anna", "as the test wants")
            assert refusal is ModelRefusal.NO_SUCH_MOVE, (stage, wanted)
    assert (
        here.refused(propose, "double@2.0.3", Stage.ACTIVE, "anna", "never was")
        is ModelRefusal.NEVER_ACTIVE
    )


def test_who_may_decide(here: Room) -> None:
    assert (
        here.refused(decide, NAME, here.account("karen"), approved=True)
        is ModelRefusal.NOTHING_PROPOSED
    )
    here.move(Stage.SHADOW)
    with here.database.begin() as session:
        propose(session, NAME, Stage.ACTIVE, "shell:karen", "my own")
    own = here.refused(decide, NAME, here.account("karen"), approved=True)
    assert own is ModelRefusal.OWN_STEP
    for name in ("ole", "anna"):
        refusal = here.refused(decide, NAME, here.account(name), approved=True)
        assert refusal is ModelRefusal.NOT_RESPONSIBLE
    with here.database.begin() as session:
        decide(session, NAME, here.account("karen"), approved=False, reason="taken back")
    assert here.stage() is Stage.SHADOW


def test_an_active_model_in_use_stays(here: Room) -> None:
    here.move(Stage.SHADOW, Stage.ACTIVE)
    used = ("applications.nodule.models.detector",)
    for stage in (Stage.SHADOW, Stage.RETIRED):
        refusal = here.refused(propose, NAME, stage, "anna", "as wanted", (), used)
        assert refusal is ModelRefusal.IN_USE
    here.move(Stage.RETIRED)
    here.move(Stage.ACTIVE)
    assert here.stage() is Stage.ACTIVE


# Choice


def naming(config: Config, *names: str) -> Config:
    """The configuration, with overrides that name models."""
    overrides = [
        {
            "name": f"o{number}", "application": "nodule", "where": {"kernel": "B*"},
            "settings": {"models": {"detector": name}},
        }
        for number, name in enumerate(names)
    ]  # fmt: skip
    return Config.model_validate(
        config.model_dump(mode="json", exclude={"overrides"}) | {"overrides": overrides}
    )


def test_settings_name_active_models_alone(here: Room) -> None:
    config = naming(here.config, NAME, "nodule-detector", "nothing", "nothing@1.0.0")
    with here.database.read() as session, pytest.raises(ModelChoiceError) as caught:
        check_models(session, config)
    assert [(fault.name, fault.refusal, fault.stage) for fault in caught.value.faults] == [
        (NAME, ModelRefusal.NOT_ACTIVE, Stage.CANDIDATE),
        ("nothing", ModelRefusal.UNKNOWN, None),
        ("nothing@1.0.0", ModelRefusal.UNKNOWN, None),
    ]
    assert named_by(config, NAME) == ("overrides[o0].settings.models.detector",)
    here.move(Stage.SHADOW, Stage.ACTIVE)
    with here.database.read() as session:
        check_models(session, naming(here.config, NAME, "nodule-detector"))
        check_models(session, here.config)


def test_what_is_in_force_does_not_stand_in_the_way(here: Room) -> None:
    here.move(Stage.SHADOW, Stage.ACTIVE)
    chosen = naming(here.config, NAME)
    with here.database.begin() as session:
        record_settings(session, here.config, "anna", "the first")
        record_settings(session, chosen, "anna", "the second")
        assert chosen_by(session, NAME) == 2
        assert chosen_by(session, "other@1.0.0") is None
    here.move(Stage.RETIRED)
    with here.database.read() as session:
        check_settings(session, chosen)
        with pytest.raises(SettingsError, match="o1") as caught:
            check_settings(session, naming(here.config, NAME, NAME))
    assert caught.value.refusal is SettingsRefusal.MODEL_NOT_ACTIVE


def test_a_host_that_lacks_a_chosen_model_is_told(here: Room, tmp_path: Path) -> None:
    here.move(Stage.SHADOW, Stage.ACTIVE)
    with here.database.read() as session:
        check_present(session, naming(here.config, "nodule-detector"))
        with pytest.raises(ModelError, match=r"o0.*no card.yaml.*mount .*models"):
            check_present(session, naming(here.config, NAME))
    made.package(here.config.admitted_folder / NAME)
    with here.database.read() as session, pytest.raises(ModelError, match="not the one"):
        check_present(session, naming(here.config, NAME))


def test_rolling_back_drafts_what_was_before(here: Room, tmp_path: Path) -> None:
    host = Host(here.config, _with_roles(), tmp_path, (check_settings,))
    assert here.refused(roll_back, host, NAME, "anna", "worse") is ModelRefusal.NOTHING_TO_UNDO
    here.move(Stage.SHADOW, Stage.ACTIVE)
    with here.database.begin() as session:
        record_settings(session, here.config, "anna", "the first")
        record_settings(session, naming(here.config, NAME), "anna", "the second")
    with here.database.begin() as session:
        draft = roll_back(session, host, NAME, "anna", "it is worse")
    assert (draft.row.undoes, draft.version) == (2, None)
    assert draft.row.content["overrides"] == []
    assert here.stage() is Stage.SHADOW


def test_rolling_back_takes_a_model_from_wherever_it_was_chosen(here: Room, tmp_path: Path) -> None:
    host = Host(here.config, _with_roles(), tmp_path, (check_settings,))
    here.move(Stage.SHADOW, Stage.ACTIVE)
    english = naming(here.config, NAME, NAME).model_copy(update={"language": "da"})
    with here.database.begin() as session:
        record_settings(session, here.config, "anna", "the first")
        record_settings(session, naming(here.config, NAME), "anna", "for some")
        record_settings(session, naming(here.config, NAME, NAME), "anna", "for others")
        record_settings(session, english, "anna", "another language")
        assert choosing_versions(session, NAME) == (3, 2)
        assert choosing_versions(session, "other@1.0.0") == ()
        assert used_by(session, here.config, NAME) == (
            "overrides[o0].settings.models.detector", "overrides[o1].settings.models.detector",
        )  # fmt: skip
    with here.database.begin() as session:
        draft = roll_back(session, host, NAME, "anna", "it is worse")
    assert draft.row.content["overrides"] == []
    assert draft.row.content["language"] == "da"


def chosen(config: Config, models: dict[str, Any], **settings: Any) -> Config:
    """The configuration, with an application that names models beside other settings."""
    nodule = {"models": models, **settings} if models else settings
    return config.model_copy(update={"applications": {"nodule": nodule}})


def with_shadow(config: Config, share: float) -> Config:
    shadow = {
        "name": "s", "application": "nodule", "settings": {"models": {"detector": NAME}},
        "share": share,
    }  # fmt: skip
    return Config.model_validate(
        config.model_dump(mode="json", exclude={"shadows"}) | {"shadows": [shadow]}
    )


def rolled_back(room: Room, folder: Path, *versions: Config) -> dict[str, Any]:
    """Site keys that are drafted when the model is rolled back after these versions."""
    host = Host(room.config, _with_roles(), folder, (check_settings,))
    room.move(Stage.SHADOW, Stage.ACTIVE)
    with room.database.begin() as session:
        for number, config in enumerate(versions):
            record_settings(session, config, "anna", f"the {number}th")
    with room.database.begin() as session:
        draft = roll_back(session, host, NAME, "anna", "it is worse")
    assert room.stage() is Stage.SHADOW
    assert keys_naming(draft.row.content, NAME) == ()
    return draft.row.content


def test_rolling_back_outlasts_a_tuned_threshold(here: Room, tmp_path: Path) -> None:
    """The models go back together: what was chosen with the model need not fit the one before."""
    old = {"detector": "nodule-detector"}
    new = {"detector": NAME, "search": None}
    content = rolled_back(
        here, tmp_path,
        chosen(here.config, old, operating_point=0.5),
        chosen(here.config, new, operating_point=0.6),
        chosen(here.config, new | {"morphology": "nodule-morphology"}, operating_point=0.62),
    )  # fmt: skip
    models = {"detector": "nodule-detector", "morphology": "nodule-morphology"}
    assert content["applications"]["nodule"] == {"models": models, "operating_point": 0.62}


def test_rolling_back_a_model_where_none_was_named_before(here: Room, tmp_path: Path) -> None:
    content = rolled_back(
        here, tmp_path,
        chosen(here.config, {}, operating_point=0.5),
        chosen(here.config, {"detector": NAME}, operating_point=0.6),
        chosen(here.config, {"detector": NAME}, operating_point=0.62),
    )  # fmt: skip
    assert content["applications"] == {"nodule": {"operating_point": 0.62}}


def test_rolling_back_outlasts_another_where_of_its_override(here: Room, tmp_path: Path) -> None:
    first = naming(here.config, "nodule-detector", NAME)
    other = [
        one.model_copy(update={"where": one.where.model_copy(update={"kernel": "C*"})})
        for one in first.overrides
    ]
    content = rolled_back(
        here, tmp_path,
        naming(here.config, "nodule-detector"),
        first,
        first.model_copy(update={"overrides": tuple(other)}),
    )  # fmt: skip
    (left,) = content["overrides"]
    assert (left["name"], left["where"]["kernel"]) == ("o0", "C*")
    assert left["settings"] == {"models": {"detector": "nodule-detector"}}


def test_rolling_back_outlasts_another_name_of_its_override(here: Room, tmp_path: Path) -> None:
    first = naming(here.config, NAME)
    (one,) = first.overrides
    renamed = first.model_copy(update={"overrides": (one.model_copy(update={"name": "r"}),)})
    assert rolled_back(here, tmp_path, here.config, first, renamed)["overrides"] == []


def test_rolling_back_outlasts_another_share_of_a_shadow(here: Room, tmp_path: Path) -> None:
    beside = with_shadow(here.config, 0.1)
    more = with_shadow(here.config, 0.5)
    content = rolled_back(here, tmp_path, here.config, beside, more, naming(more, NAME))
    assert (content["shadows"], content["overrides"]) == ([], [])


def test_rolling_back_what_the_first_version_named(here: Room, tmp_path: Path) -> None:
    content = rolled_back(here, tmp_path, chosen(here.config, {"detector": NAME}))
    assert content["applications"] == {}


def _with_roles() -> Any:
    """Installed applications; one of them has the role that the test names."""
    from pydantic import create_model

    found = dict(applications())
    nodule = found["nodule"]
    schema = create_model(
        "WithRoles", __base__=nodule.settings_schema, models=(dict[str, str | None], {})
    )

    class Named(type(nodule)):  # type: ignore[misc]
        settings_schema = schema

    found["nodule"] = Named()
    return found
