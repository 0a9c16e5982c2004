"""``gransk calibrate`` with an application that nothing else knows."""

import datetime

import numpy as np
import pytest
import yaml
from pydantic import BaseModel, ConfigDict
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ComputedRadiographyImageStorage, ExplicitVRLittleEndian
from sqlalchemy import select
from typer.testing import CliRunner

from gransk.archive.tables import Archive, Purpose, SeenStudy
from gransk.cli.main import app
from gransk.core.application import Presentation, Selection
from gransk.core.codes import NO_UNITS, PROBABILITY
from gransk.core.errors import RefusalError
from gransk.core.findings import Findings, FrameRef, Measurement, ModelIdentity
from gransk.core.keys import digest
from gransk.core.programme import Programme
from gransk.core.reasons import Reason
from gransk.oversight import doctor
from gransk.pipeline import programmes
from gransk.results.blobs import BlobStore
from gransk.results.store import seal_analysis
from gransk.results.tables import ProgrammeSource, Workitem, WorkState
from gransk.site.config import application_settings, load_config
from gransk.site.database import utcnow
from gransk.site.migrate import open_database
from mammo.scores import command as calibration_command
from mammo.scores.calibration import NOTE_TEXTS, CalibrationSetting, in_force
from mammo.scores.scored_by import ScoredBy

FIRST = datetime.date(2026, 1, 5)


class Settings(BaseModel):
    model_config = ConfigDict(extra="forbid")

    calibration: CalibrationSetting = None


class Brightness:
    """Scores a radiograph by its mean; without any model."""

    id = "bright"
    version = "1.0.0"
    attributes_read = ()
    settings_schema = Settings
    presentation = Presentation(
        title={}, texts=NOTE_TEXTS, line=lambda *_: "", details=lambda *_: [],
        study_json=lambda _: {}, finding_json=lambda _: {},
    )  # fmt: skip

    def accepts(self, study):
        return None if study.series[0].modality == "CR" else Reason.NO_APPLICATION

    def ready(self, study):
        return True

    def select(self, study, settings):
        return Selection(study.instances)

    def models(self, settings):
        return ()

    def analyse(self, study, selection, context):
        pixels = np.asarray(selection.instances[0].load().pixel_array)
        if pixels.max() == pixels.min():
            raise RefusalError(Reason.NO_SUITABLE_SERIES)
        return findings(float(pixels.mean()) / 4096)

    def pictures(self, study, findings):
        return []

    def not_calibrated(self, settings, models):
        return in_force(settings.calibration, self.by())[1]

    def by(self):
        return ScoredBy(self.version, self.version, {"none": "0" * 64}, {})

    def raw_score(self, findings):
        return findings.measured("score")

    def calibrate(self, exams, settings, models, wanted, language):
        self.seen = exams
        # Without weights of its own it names those of its version.
        ours = [_with(exam, self.by().models) for exam in exams]
        return calibration_command.calibrate(ours, self.id, self.by(), wanted, language)


def _with(exam, weights):
    return type(exam)(exam.date, exam.score, exam.version, weights, exam.outcome)


def findings(score, version="1.0.0"):
    return Findings(
        application="bright",
        application_version=version,
        models=(ModelIdentity(id="none", version="1.0.0", sha256="0" * 64),),
        study_instance_uid="1.2",
        series_instance_uids=("1.2.3",),
        frames=(FrameRef(sop_class_uid="1", sop_instance_uid="1", series_instance_uid="1.2.3"),),
        measurements=(Measurement(name="score", concept=PROBABILITY, unit=NO_UNITS, value=score),),
    )


@pytest.fixture
def application(monkeypatch):
    made = Brightness()
    found = {"bright": made, "other": object()}
    monkeypatch.setattr("gransk.cli.calibrate.applications", lambda: found)
    return made


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "gransk.yaml"
    path.write_text(
        "programme: {codes: [{programme: clinical, scheme: 99X, value: CLIN}]}\n", encoding="utf-8"
    )
    return path


@pytest.fixture
def call(tmp_path, path, application):
    def call(*arguments):
        fixed = ["--config", str(path), "--output", str(tmp_path / "calibration.yaml")]
        return CliRunner().invoke(app, ["calibrate", *map(str, arguments), *fixed])

    return call


class Store:
    """Exams of a site's own result store."""

    def __init__(self, path):
        self.config = load_config(path)
        self.database = open_database(self.config)
        self.blobs = BlobStore(self.config.blob_folder)
        with self.database.begin() as session:
            session.add(Archive(name="orthanc", identity="x", cursor=0, swept_at=None))

    def fill(self, scores, programme=Programme.SCREENING, prefix="A", **study):
        """One exam a score, three an hour; None is an exam that was refused."""
        now = utcnow()
        with self.database.begin() as session:
            for n, score in enumerate(scores):
                key = digest([prefix, n])[:32]
                day = FIRST + datetime.timedelta(days=n // 30)
                values = {column.name: "" for column in SeenStudy.__table__.columns}
                values |= dict.fromkeys(("images", "priority", "instances"), 0)
                values |= dict.fromkeys(("first_seen_at", "changed_at", "noticed_at"), now)
                values |= {
                    "key": key, "archive": "orthanc", "study_instance_uid": f"1.2.{prefix}.{n}",
                    "accession_number": f"{prefix}{n}", "patient_id": f"{prefix}{n}",
                    "study_date": f"{day:%Y%m%d}", "modalities": [], "deleted_at": None,
                    "pending": False, "purpose": Purpose.READING,
                }  # fmt: skip
                session.add(SeenStudy(**values | study))
                analysis = None
                if score is not None:
                    analysis = digest(["analysis", prefix, n])
                    stored = self.blobs.put(findings(score).model_dump_json().encode())
                    seal_analysis(session, analysis, "bright", stored, stored, 1.0)
                self._item(session, key, analysis, now)
            if programme:
                said = {f"{prefix}{n}": programme for n in range(len(scores))}
                programmes.state_exams(session, said, ProgrammeSource.FILE, "shell:it")

    @staticmethod
    def _item(session, key, analysis, now):
        state = WorkState.NOT_ANALYSED if analysis is None else WorkState.READY
        session.add(
            Workitem(
                id=digest([key])[:32], study_key=key, application="bright", state=state,
                reason=None, detail="", step="", share=0.0, priority=0, incomplete=False,
                fingerprint="", generation=0, attempt=0, deaths=0, analysis_key=analysis,
                report_key=None, settings_version=1, created_at=now, images_at=now,
                started_at=None, finished_at=None,
            )
        )  # fmt: skip


@pytest.fixture
def store(path):
    made = Store(path)
    yield made
    made.database.close()


def doctors(path, application, monkeypatch):
    """What the doctor says of the calibration."""
    monkeypatch.setattr(doctor, "applications", lambda: {"bright": application})
    (result,) = doctor.check_calibration(load_config(path))
    assert result.name("da") == "Kalibrering"
    if result.seen == "not_calibrated":
        assert result.what("da").endswith("holdes tilbage (not_calibrated)")
        assert "docs/calibration.md" in result.remedy("en")
    return result.seen, result.level.value


def scores_of(count, seed=0):
    return [float(x) for x in np.random.default_rng(seed).random(count)]


def test_exams_of_the_result_store_make_a_calibration(
    call, store, path, tmp_path, application, monkeypatch
):
    assert doctors(path, application, monkeypatch) == ("not_calibrated", "warn")
    store.fill([*scores_of(2450), None, None])
    store.fill(scores_of(5), Programme.CLINICAL, "C")
    store.fill(scores_of(4), None, "U")
    store.fill(scores_of(3), prefix="P", purpose=Purpose.PRIOR)
    table = tmp_path / "outcomes.csv"
    rows = [f"A{n};{'ja' if n < 9 else 'nej'};{'' if n < 9 else '24,5'}" for n in range(2450)]
    table.write_text("\n".join(["accession_number;cancer;follow_up_months", *rows, "X;ja;"]))
    outcome = call("--consecutive", "--outcomes", table, "--high-from-score", 10)
    assert outcome.exit_code == 0, outcome.output
    assert "2450 screening exams from 2026-01-05 to 2026-03-27; 2 more have no score" in (
        outcome.stdout
    )
    assert "9 cancers, 100 are needed" in outcome.stdout
    assert "left out: 5 clinical, 4 unknown" in outcome.stderr
    assert "1 outcomes are of no exam here" in outcome.stderr
    assert len(application.seen) == 2452
    # The configuration names the file, and the application's settings hold what it says.
    named = "applications: {bright: {calibration: {file: calibration.yaml}}}\n"
    path.write_text(path.read_text() + named)
    settings = application_settings(load_config(path), application)
    assert (settings.calibration.exams, settings.calibration.cancers) == (2450, 9)
    assert settings.calibration.apply(1.0).category == "high"
    assert settings.calibration.apply(0.5).exam_score in (5, 6)
    assert doctors(path, application, monkeypatch) == ("calibrated", "ok")
    assert yaml.safe_load((tmp_path / "calibration.yaml").read_text())["made_by"].startswith(
        "gransk calibrate"
    )


def test_what_is_missing_is_told_and_nothing_is_written(call, store, tmp_path):
    store.fill(scores_of(40))
    outcome = call("--language", "da")
    assert outcome.exit_code == 3
    assert "mangler:" in outcome.stdout
    assert "40 undersøgelser har en score, 2401 skal til" in outcome.stdout
    assert "--consecutive" in outcome.stdout
    assert not (tmp_path / "calibration.yaml").exists()


def test_the_period_is_chosen_by_days(call, store, application):
    store.fill(scores_of(300))
    call("--consecutive", "--from", "2026-01-07", "--to", "2026-01-08")
    days = {exam.date for exam in application.seen}
    assert days == {datetime.date(2026, 1, 7), datetime.date(2026, 1, 8)}
    assert len(application.seen) == 60


def test_an_analysis_that_cannot_be_read_is_an_exam_without_a_score(call, store, application):
    store.fill(scores_of(3))
    with store.database.begin() as session:
        item = session.scalars(select(Workitem)).first()
        item.analysis_key = "f" * 64
    call("--consecutive")
    assert sorted(exam.score is None for exam in application.seen) == [False, False, True]


def radiograph(folder, number, mean, modality="CR", code=None):
    image = Dataset()
    image.file_meta = FileMetaDataset()
    image.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    image.SOPClassUID = image.file_meta.MediaStorageSOPClassUID = ComputedRadiographyImageStorage
    image.SOPInstanceUID = image.file_meta.MediaStorageSOPInstanceUID = f"1.2.3.{number}.1"
    image.StudyInstanceUID, image.SeriesInstanceUID = f"1.2.3.{number}", f"1.2.3.{number}.2"
    image.PatientID, image.Modality, image.AccessionNumber = f"p{number}", modality, f"A{number}"
    image.StudyDate = "20260105"
    if code:
        item = Dataset()
        item.CodingSchemeDesignator, item.CodeValue = code
        image.ProcedureCodeSequence = [item]
    image.Rows = image.Columns = 4
    image.SamplesPerPixel, image.PhotometricInterpretation = 1, "MONOCHROME2"
    image.BitsAllocated, image.BitsStored, image.HighBit, image.PixelRepresentation = 16, 12, 11, 0
    pixels = np.full((4, 4), mean, np.uint16)
    pixels[0, 0] += 16 if mean else 0
    image.PixelData = pixels.tobytes()
    image.save_as(folder / f"{number}.dcm", enforce_file_format=True)


def test_every_exam_of_a_folder_is_analysed(call, tmp_path, application):
    folder = tmp_path / "exams"
    folder.mkdir()
    for number, mean in ((1, 1024), (2, 2048), (3, 0)):
        radiograph(folder, number, mean)
    radiograph(folder, 4, 500, modality="CT")
    radiograph(folder, 5, 500, code=("99X", "CLIN"))
    (folder / "note.txt").write_text("no image")
    table = tmp_path / "outcomes.csv"
    table.write_text("study_instance_uid,cancer\n1.2.3.2,yes\n")
    outcome = call(folder, "--consecutive", "--outcomes", table)
    assert outcome.exit_code == 3
    assert "left out: 1 file is not DICOM" in outcome.stderr
    assert "left out: 1 clinical" in outcome.stderr
    scores = {exam.score for exam in application.seen}
    assert scores == {None, 1025 / 4096, 2049 / 4096}
    (sick,) = [exam for exam in application.seen if exam.outcome]
    assert sick.outcome.disease
    assert sick.score == 2049 / 4096


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("accession_number,cancer\nSECRET,maybe\n", "line 2: cancer: wants yes or no"),
        ("accession_number,cancer,follow_up_months\nA1,no,long\n", "line 2: follow_up_months"),
        ("accession_number,cancer,follow_up_months\nA1,no,-1\n", "line 2: follow_up_months"),
        ("accession_number,cancer\nA1,no\nA1,no\n", "line 3: the exam stands twice"),
        ("cancer\nno\n", "line 2: wants accession_number or study_instance_uid"),
        ("accession_number\nA1\n", "line 1 must name the columns cancer"),
    ],
)
def test_wrong_outcomes_are_refused_by_line(call, store, tmp_path, text, told):
    table = tmp_path / "outcomes.csv"
    table.write_text(text)
    outcome = call("--outcomes", table)
    assert outcome.exit_code == 4
    assert told in outcome.stderr
    assert "SECRET" not in outcome.stderr


def test_an_accession_number_of_several_exams_names_none(call, store, tmp_path, application):
    store.fill(scores_of(2), None)
    store.fill(scores_of(2), None, "B", accession_number="A0")
    with store.database.begin() as session:
        for study in session.scalars(select(SeenStudy)):
            programmes.state_study(session, study, Programme.SCREENING, "karen")
    table = tmp_path / "outcomes.csv"
    table.write_text("accession_number,cancer\nA0,yes\nA1,yes\n")
    outcome = call("--outcomes", table)
    assert len([exam for exam in application.seen if exam.outcome]) == 1
    assert "1 outcomes are of no exam here, or of several" in outcome.stderr


@pytest.mark.parametrize(
    "arguments",
    [
        ("--application", "other"),
        ("--from", "yesterday"),
        ("--high-from-score", "11"),
        ("--sensitivity", "0.8", "--specificity", "0.9"),
        ("--follow-up-months", "0"),
    ],
)
def test_wrong_use_is_told(call, arguments):
    outcome = call(*arguments)
    assert outcome.exit_code == 2
    assert outcome.stderr.startswith("gransk calibrate: ")


def test_no_application_can_be_calibrated(call, monkeypatch):
    monkeypatch.setattr("gransk.cli.calibrate.applications", lambda: {"other": object()})
    outcome = call()
    assert outcome.exit_code == 2
    assert "none is installed" in outcome.stderr


def test_a_folder_without_images(call, tmp_path):
    (tmp_path / "empty").mkdir()
    assert call(tmp_path / "empty").exit_code == 4
