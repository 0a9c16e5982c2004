"""A model that is not ours, from the inbox to a report that names it, and back, on the suite."""

import io
import shutil

import pytest
from harness_suite import Suite
from pydicom import dcmread
from radiographs import save
from sqlalchemy import select

from bench.contracts.cards import write
from gransk.archive.tables import SeenStudy
from gransk.core.application import applications
from gransk.registry.choice import check_settings, used_by
from gransk.registry.refusals import ModelRefusal, RegistryError
from gransk.registry.rollback import roll_back
from gransk.registry.stages import decide, one, propose, registered
from gransk.registry.tables import Stage
from gransk.results.blobs import BlobStore
from gransk.results.store import read_findings, studies_of_model
from gransk.results.tables import Workitem, WorkState
from gransk.site import people
from gransk.site.config import load_config
from gransk.site.differences import with_value
from gransk.site.people import find_account
from gransk.site.settings_acts import approve
from gransk.site.settings_acts import propose as draft
from gransk.site.settings_drafts import DraftState, settings_now
from gransk.site.settings_refusals import SettingsError, SettingsRefusal
from gransk.site.settings_tables import Origin
from gransk.site.site_keys import Host
from gransk.site.tables import Role
from nodule.phantom import PhantomSpec, make_phantom

pytestmark = pytest.mark.system
ID = "example-volume-boxes"
NAME = f"{ID}@1.0.0"
CHOSEN = {"search": None, "detector": NAME}
SECONDS = 180


class Site:
    """The suite with two people, and what they do to its models and settings."""

    def __init__(self, suite):
        self.suite = suite
        config = load_config(suite.config_file)
        self.host = Host(config, applications(), suite.folder, (check_settings,))
        with suite.database.begin() as session:
            people.create_account(session, "anna", "Anna", [Role.ADMINISTRATOR])
            people.create_account(session, "karen", "Karen", [Role.RESPONSIBLE_RADIOLOGIST])

    def stage(self):
        with self.suite.database.read() as session:
            found = [each for each in registered(session) if each.row.name == NAME]
            return found[0].stage if found else None

    def move(self, stage):
        with self.suite.database.begin() as session:
            propose(session, NAME, stage, "anna", "as agreed")
        if stage is Stage.ACTIVE:
            with self.suite.database.begin() as session:
                decide(session, NAME, find_account(session, "karen"), approved=True)

    def choose(self, value):
        with self.suite.database.begin() as session:
            now = settings_now(session, self.host).content
            content = with_value(now, "applications.nodule.models", value)
            made = draft(session, self.host, content, "anna", "it finds more", Origin.PAGE)
        return self.approved(made)

    def approved(self, made):
        assert made.state is DraftState.WAITING
        with self.suite.database.begin() as session:
            made = approve(session, self.host, made.number, find_account(session, "karen"))
        return made.version

    def study(self, folder, salt):
        """Store a chest CT; its row, once it has ended."""
        place = folder / salt
        place.mkdir()
        spec = PhantomSpec(matrix=192, spacing_mm=2.5, noise_hu=10, nodules=3, salt=salt)
        phantom = make_phantom(spec)
        for number, image in enumerate(phantom.images):
            save(image, place / f"{number}.dcm")
        before = len(self.suite.items())
        # A busy machine may answer one image too late; a sender sends again.
        assert any(set(self.suite.store(place)) == {0} for _ in range(3)), self.suite.log()
        return self.suite.wait_ended(before + 1, SECONDS)[-1]

    def made_by(self, item):
        """Models by id, as the row's findings say."""
        assert item.state == WorkState.READY, self.suite.log()
        with self.suite.database.read() as session:
            blobs = BlobStore(self.suite.config.blob_folder)
            found = read_findings(session, blobs, item.analysis_key)
        assert found.findings
        return {model.id: model for model in found.models}

    def report(self, item):
        """The structured report that the archive holds of a row's study, as text."""
        self.suite.wait_delivered(SECONDS)
        with self.suite.database.read() as session:
            query = select(SeenStudy.orthanc_id).where(SeenStudy.key == item.study_key)
            orthanc_id = session.scalars(query).one()
        client = self.suite.orthanc.client
        objects = [
            dcmread(io.BytesIO(client.file(one.orthanc_id))) for one in client.instances(orthanc_id)
        ]
        return "\n".join(one.to_json() for one in objects if one.Modality == "SR")


@pytest.fixture
def site(tmp_path):
    (tmp_path / "suite").mkdir()
    with Suite(
        tmp_path / "suite",
        intake={"quiet_seconds": 1.0, "poll_seconds": 0.2},
        workers={"retries": 0},
    ) as suite:
        yield Site(suite)


@pytest.mark.timeout(900)
def test_a_model_from_the_inbox_reads_and_is_rolled_back(site, tmp_path):
    suite = site.suite
    folder = suite.config.admitted_folder
    write(tmp_path, "volume-boxes")
    shutil.move(tmp_path / ID, folder / "inbox" / ID)
    suite.until(lambda: site.stage() is Stage.CANDIDATE, 60, "the model to be admitted")
    suite.until(lambda: not any((folder / "inbox").iterdir()), 10, "the inbox to be empty")

    with pytest.raises(SettingsError) as refused:
        site.choose(CHOSEN)
    assert refused.value.refusal is SettingsRefusal.MODEL_NOT_ACTIVE
    site.move(Stage.SHADOW)
    site.move(Stage.ACTIVE)
    with pytest.raises(SettingsError, match="role segmenter") as refused:
        site.choose({"segmenter": NAME})
    assert refused.value.refusal is SettingsRefusal.INVALID
    version = site.choose(CHOSEN)

    item = site.study(tmp_path, "first")
    assert item.settings_version == version
    models = site.made_by(item)
    assert set(models) == {ID, "nodule-segmenter", "nodule-morphology"}
    assert f"model={ID} version=1.0.0 sha256={models[ID].sha256}" in site.report(item)
    with suite.database.read() as session:
        assert studies_of_model(session, ID, one(session, NAME).card.digest) == 1

    # A card that somebody edits where it lies is not what was admitted.
    card = folder / NAME / "card.yaml"
    said = card.read_bytes()
    card.write_bytes(said.replace(b"threshold: 0.5", b"threshold: 0.9"))
    item = site.study(tmp_path, "edited")
    assert item.state == WorkState.FAILED, suite.log()
    assert "not the one that was admitted" in item.detail
    card.write_bytes(said)

    with suite.database.read() as session:
        used = used_by(session, suite.config, NAME)
    assert used == ("applications.nodule.models.detector",)
    with pytest.raises(RegistryError) as in_use, suite.database.begin() as session:
        propose(session, NAME, Stage.RETIRED, "anna", "no more", (), used)
    assert in_use.value.refusal is ModelRefusal.IN_USE
    with suite.database.begin() as session:
        made = roll_back(session, site.host, NAME, "anna", "it marks vessels")
    assert site.stage() is Stage.SHADOW
    assert site.approved(made) == version + 1
    after = site.study(tmp_path, "after")
    assert ID not in site.made_by(after)
    site.move(Stage.RETIRED)
    with suite.database.read() as session:
        kept = session.get_one(Workitem, suite.items()[0].id)
    assert ID in site.made_by(kept), "what a retired model made stays"
