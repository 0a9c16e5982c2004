"""A site: its database and store, what a test puts into them, and the web application on it."""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from fastapi.testclient import TestClient
from web_objects import findings_of_study

from gransk.archive.orthanc import Orthanc
from gransk.archive.orthanc_config import ensure_secret
from gransk.archive.tables import Archive, SeenStudy
from gransk.core.application import Picture
from gransk.core.findings import Findings
from gransk.core.followup import FollowUp
from gransk.core.keys import digest
from gransk.results.blobs import BlobStore
from gransk.results.pictures import pack_pictures
from gransk.results.store import NewObject, seal_analysis, seal_comparison, seal_report
from gransk.results.tables import Report, Workitem, WorkState
from gransk.site import people
from gransk.site.config import Config
from gransk.site.database import Database, utcnow
from gransk.site.migrate import open_database
from gransk.site.tables import Role
from gransk.web.app import create_app

PASSWORD = "a long enough password"


@dataclass
class Site:
    """One site; ``client`` is a browser on the same machine."""

    config: Config
    database: Database
    orthanc: Orthanc
    app: Any
    clients: list[TestClient] = field(default_factory=list)

    def client(self, address: str = "127.0.0.1") -> TestClient:
        made = TestClient(
            self.app,
            base_url=f"http://127.0.0.1:{self.config.service.port}",
            client=(address, 50000),
            follow_redirects=False,
        )
        self.clients.append(made)
        return made

    def person(self, *roles: Role, name: str = "", language: str = "en") -> TestClient:
        """A signed-in browser; its ``csrf`` header is set."""
        name = name or "p-" + "-".join(roles)
        self.account(name, name.title(), *roles, language=language)
        return self.signed_in(name)

    def account(self, name: str, full_name: str, *roles: Role, language: str = "en") -> None:
        with self.database.begin() as session:
            people.create_account(
                session, name, full_name, roles, password=PASSWORD, language=language
            )

    def signed_in(self, name: str, password: str = PASSWORD) -> TestClient:
        signed_in = people.sign_in(self.database, name, password, 12)
        client = self.client()
        client.cookies.set("gransk_session", signed_in.token)
        client.headers["x-csrf-token"] = signed_in.csrf
        return client

    def machine(self, name: str = "scanner") -> TestClient:
        with self.database.begin() as session:
            token = people.create_token(session, name, actor="gransk")
        client = self.client()
        client.headers["authorization"] = f"Bearer {token}"
        return client

    @staticmethod
    def study_key(number: int) -> str:
        return digest(["study", number])[:32]

    @staticmethod
    def item_id(study: str) -> str:
        return digest(["item", study])[:32]

    def study(self, number: int = 1, **values: Any) -> str:
        """A study in the archive; its key."""
        now = utcnow()
        key = self.study_key(number)
        with self.database.begin() as session:
            if session.get(Archive, "orthanc") is None:
                session.add(Archive(name="orthanc", identity="one", cursor=0, swept_at=None))
                session.flush()
            session.add(
                SeenStudy(
                    **{
                        "key": key,
                        "archive": "orthanc",
                        "orthanc_id": f"id-{number}",
                        "study_instance_uid": f"1.2.3.{number}",
                        "patient_name": f"Testesen^Patient{number}",
                        "patient_id": f"{number:06d}-0000",
                        "issuer_of_patient_id": "",
                        "patient_birth_date": "19511224",
                        "patient_sex": "F",
                        "study_date": "20260105",
                        "study_time": "101500",
                        "description": "CT Thorax",
                        "accession_number": f"ACC{number}",
                        "modalities": ["CT"],
                        "images": 133,
                        "fingerprint": "f" * 64,
                        "priority": 0,
                        "first_seen_at": now,
                        "changed_at": now - datetime.timedelta(minutes=number),
                        "deleted_at": None,
                        "settled_fingerprint": "",
                    }
                    | values
                )
            )
        return key

    def item(self, study: str, state: WorkState, **values: Any) -> str:
        """A workitem of a study; its id."""
        now = utcnow()
        ident = self.item_id(study)
        with self.database.begin() as session:
            seen = session.get_one(SeenStudy, study)
            session.add(
                Workitem(
                    **{
                        "id": ident,
                        "study_key": study,
                        "application": "lesion",
                        "state": state,
                        "reason": None,
                        "detail": "",
                        "step": "",
                        "share": 0.0,
                        "priority": 0,
                        "incomplete": False,
                        "fingerprint": "f" * 64,
                        "generation": 1,
                        "attempt": 1,
                        "deaths": 0,
                        "analysis_key": None,
                        "report_key": None,
                        "settings_version": 1,
                        "created_at": now,
                        "images_at": seen.changed_at,
                        "started_at": None,
                        "finished_at": None,
                    }
                    | values
                )
            )
        return ident

    def sealed(
        self,
        study: str,
        findings: Findings | None = None,
        released: bool = True,
        pictures: Sequence[Picture] = (),
        objects: tuple[NewObject, ...] = (),
        follow_up: FollowUp | None = None,
        **values: Any,
    ) -> str:
        """A ready study with sealed findings; the workitem's id."""
        ident = self.item(study, WorkState.READY, **values)
        blobs = BlobStore(self.config.blob_folder)
        found = findings or findings_of_study("1.2.3")
        stored = blobs.put(found.model_dump_json().encode())
        key = digest(["analysis", study])
        told = blobs.put(follow_up.model_dump_json().encode()) if follow_up else None
        with self.database.begin() as session:
            seal_analysis(
                session, key, found.application, stored, blobs.put(pack_pictures(pictures)), 31.4
            )
            item = session.get_one(Workitem, ident)
            named = digest(["report", study])
            report = seal_report(session, item, named, key, utcnow(), objects, told)
            if released:
                session.get_one(Report, report.key).released_at = utcnow()
        return ident

    def comparison(self, key: str, study: str, other: str, pictures: Sequence[Picture]) -> None:
        """Seal the pictures of a comparison of two sealed studies."""
        blobs = BlobStore(self.config.blob_folder)
        analyses = digest(["analysis", study]), digest(["analysis", other])
        stored = blobs.put(pack_pictures(pictures))
        with self.database.begin() as session:
            seal_comparison(session, key, "lesion", analyses, blobs.put(b"{}"), stored)

    def close(self) -> None:
        for client in self.clients:
            client.close()
        self.orthanc.close()
        self.database.close()


def open_site(config: Config, intake: Any = None) -> Site:
    """A site of a configuration, its database empty."""
    ensure_secret(config.orthanc.password_file)
    ensure_secret(config.service.nudge_secret_file)
    database = open_database(config)
    orthanc = Orthanc(config.orthanc)
    app = create_app(config, database, orthanc, intake)
    # A test reads figures, not that they are being counted.
    app.state.wiring.figures.patience_seconds = 60.0
    return Site(config, database, orthanc, app)
