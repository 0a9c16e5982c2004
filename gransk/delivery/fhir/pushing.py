"""What FHIR servers are told: the resource of a report's version, as it is served here too."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from gransk.core.application import Application
from gransk.delivery.destination import RefusedError
from gransk.delivery.fhir.codes import Json
from gransk.delivery.fhir.report import diagnostic_report
from gransk.delivery.fhir.told import Reader
from gransk.delivery.hl7.outgoing import Announced
from gransk.results.blobs import BlobStore
from gransk.results.tables import Workitem
from gransk.results.told_reports import ReportTold, Status
from gransk.results.versions import WITHDRAWN, ReportVersion
from gransk.site.config import Config
from gransk.site.database import Database

Modalities = Callable[[Session, str], tuple[str, ...]]


class Resources:
    """Makes the resource that an announcement tells of.

    Parameters
    ----------
    config : Config
    database : Database
    blobs : BlobStore
    applications : mapping of str to Application
    modalities : callable
        Of a study, by its key.
    """

    def __init__(
        self,
        config: Config,
        database: Database,
        blobs: BlobStore,
        applications: Mapping[str, Application],
        modalities: Modalities,
    ) -> None:
        self._config = config
        self._database = database
        self._reader = Reader(blobs, applications, config.language)
        self._modalities = modalities

    def __call__(self, told: Announced[Any]) -> Json:
        """The DiagnosticReport; the receiving server numbers versions itself.

        Raises
        ------
        RefusedError
            Where the news is of no report, or it was never released.
        """
        news = told.news
        if not isinstance(news, ReportTold):
            raise RefusedError("a FHIR server is told reports alone")
        with self._database.read() as session:
            version = session.scalar(_version(news))
            if version is None:
                raise RefusedError("the report has no released version")
            modalities = self._modalities(session, news.study_key)
            found = self._reader(session, version, told.exam, modalities)
        made = diagnostic_report(found, self._config.fhir.systems, self._config.zone)
        return {key: value for key, value in made.items() if key != "meta"}


def _version(news: ReportTold) -> Any:
    """The latest version of a report that stands, or that is withdrawn."""
    gone = ReportVersion.status.in_(WITHDRAWN)
    return (
        select(ReportVersion)
        .join(Workitem, Workitem.id == ReportVersion.workitem_id)
        .where(Workitem.study_key == news.study_key, Workitem.application == news.application)
        .where(gone if news.status is Status.WITHDRAWN else ~gone)
        .where(ReportVersion.report_key == news.report_key)
        .order_by(ReportVersion.number.desc())
        .limit(1)
    )
