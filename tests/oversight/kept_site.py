"""A small site with results of every kind, for tests of backup and retention."""

import datetime
import json

import yaml

from gransk.core.object_kinds import ObjectKind
from gransk.results.blobs import BlobStore, keep
from gransk.results.message_tables import (
    Announcement,
    AnnouncementKind,
    MessageState,
    OutgoingMessage,
)
from gransk.results.store import NewObject, seal_analysis, seal_report
from gransk.results.tables import Delivery, DeliveryState, Workitem, WorkState
from gransk.site.config import load_config
from gransk.site.database import utcnow
from gransk.site.events import SYSTEM, EventKind, record
from gransk.site.migrate import open_database


def write_config(folder, **sections):
    """A configuration file with a data folder beside it."""
    folder.mkdir(parents=True, exist_ok=True)
    values = {"data_folder": "data", "intake": {"min_free_disk_mb": 1}, **sections}
    path = folder / "gransk.yaml"
    path.write_text(yaml.safe_dump(values))
    return path


class KeptSite:
    """A site's database and blobs, filled by hand.

    Parameters
    ----------
    path : Path
        Of its configuration.
    """

    def __init__(self, path):
        self.path = path
        self.config = load_config(path)
        self.database = open_database(self.config)
        self.blobs = BlobStore(self.config.blob_folder)
        self.count = 0

    def put(self, session, text):
        stored = self.blobs.put(text.encode())
        keep(session, [stored])
        return stored

    def study(self, key, state=WorkState.READY):
        """A row of the worklist."""
        now = utcnow()
        with self.database.begin() as session:
            session.add(
                Workitem(
                    id=key, study_key=key, application="nodule", state=state, reason=None,
                    detail="", step="", share=0.0, priority=0, incomplete=False, fingerprint="f",
                    generation=1, attempt=0, deaths=0, analysis_key=None, report_key=None,
                    settings_version=1, created_at=now, images_at=now, started_at=None,
                    finished_at=None,
                )
            )  # fmt: skip

    def report(self, study, name, kinds=(ObjectKind.SR, ObjectKind.SC), at=None):
        """Another analysis and report of a study; what it had before is superseded."""
        at = at or utcnow()
        analysis, report = f"{name:0>64}", f"{name + 'r':0>64}"
        with self.database.begin() as session:
            item = session.get_one(Workitem, study)
            seal_analysis(
                session, analysis, "nodule", self.put(session, f"findings {name}"),
                self.put(session, f"pictures {name}"), 1.0,
            )  # fmt: skip
            made = [
                NewObject(kind, "1.2", f"1.2.{name}.{kind}", f"1.3.{name}",
                          self.put(session, f"{kind} {name}"))
                for kind in kinds
            ]  # fmt: skip
            told = self.put(session, json.dumps({"follow": name}))
            seal_report(session, item, report, analysis, at, made, told)
        return report

    def deliver(self, report, kind, state, destination="pacs"):
        name = report.lstrip("0")[:-1]
        self.count += 1
        with self.database.begin() as session:
            session.add(
                Delivery(
                    id=f"d{self.count}", report_key=report,
                    sop_instance_uid=f"1.2.{name}.{kind}", destination=destination, state=state,
                    attempt=0, error="", created_at=utcnow(), sent_at=None, tried_at=None,
                    trying=None, committed_at=None, commit_by=None,
                )
            )  # fmt: skip

    def message(self, study, name, state, at):
        with self.database.begin() as session:
            self.count += 1
            session.add(
                Announcement(
                    number=self.count, id=name, kind=AnnouncementKind.FINDINGS, study_key=study,
                    application="nodule", entry=0, content={}, at=at,
                )
            )  # fmt: skip
            session.flush()
            session.add(
                OutgoingMessage(
                    id=name, announcement=self.count, study_key=study, destination="ris",
                    state=state, attempt=0, tries=1, refusals=0, error="", control_id=name,
                    sha256=self.put(session, f"body {name}").sha256,
                    answer_sha256=self.put(session, f"answer {name}").sha256
                    if state is MessageState.SENT
                    else None,
                    created_at=at, sent_at=at if state is MessageState.SENT else None,
                )
            )  # fmt: skip

    def event(self, subject="study"):
        with self.database.begin() as session:
            record(session, SYSTEM, EventKind.STUDY_SEEN, subject)

    def close(self):
        self.database.close()


def days_ago(days):
    return utcnow() - datetime.timedelta(days=days)


def some_site(path):
    """Two studies, one with a superseded report, something waiting at a destination."""
    site = KeptSite(path)
    for key in ("a", "b"):
        site.study(key)
    site.report("a", "1")
    site.deliver(site.report("a", "2"), ObjectKind.SC, DeliveryState.WAITING)
    site.report("b", "3")
    for _ in range(5):
        site.event()
    secrets = site.config.data_folder / "secrets"
    secrets.mkdir(mode=0o700)
    (secrets / "orthanc").write_text("word\n")
    (secrets / "orthanc").chmod(0o600)
    models = site.config.data_folder / "models" / "eyes@1.0.0"
    models.mkdir(parents=True)
    (models / "card.yaml").write_text("id: eyes\n")
    return site
