"""An application that follows up, as far as earlier studies ask for it; and rows around it."""

from __future__ import annotations

from typing import Any, ClassVar

from sqlalchemy import select
from sqlalchemy.orm import Session
from tiny import Site, TinyStudy

from gransk.archive.prior_search import PriorSearcher
from gransk.archive.tables import Prior, PriorSearch, SeenStudy
from gransk.core.reasons import Reason
from gransk.pipeline.handlers import Handlers, Rules
from gransk.results.tables import Workitem, WorkState
from gransk.site.config import PriorsSection
from gransk.site.database import utcnow


class Follower:
    """Reads CT and compares with every study that is called a chest, latest first."""

    id = "follower"
    profile_schema: ClassVar[dict[str, Any]] = {}

    def accepts(self, study):
        return None if study.series[0].modality == "CT" else Reason.NO_APPLICATION

    def ready(self, study):
        return True

    def priors_wanted(self, study, known):
        return tuple(one.study_instance_uid for one in known if "chest" in one.description.lower())

    def measure(self, study, findings, place, context):
        raise NotImplementedError

    def compare(self, current, prior, context):
        raise NotImplementedError

    def comparison_pictures(self, current, prior, comparison):
        raise NotImplementedError

    def assess(self, study, findings, comparisons, profile, settings):
        raise NotImplementedError

    def report_text(self, study, findings, follow_up, language):
        raise NotImplementedError


class FollowUpSite:
    """A site with the real handlers: studies are sent, taken in and searched for."""

    def __init__(self, site: Site, remotes: tuple[Any, ...] = (), **section: Any) -> None:
        self.site = site
        self.database = site.database
        self.section = PriorsSection(**section)
        self.handlers = Handlers({"follower": Follower()}, Rules(1, self.section))
        site.diary = self.handlers  # type: ignore[assignment]
        self.intake = site.restarted()
        self.intake.run_once()  # what comes from now on is new
        self.searcher = PriorSearcher(
            self.section, site.database, site.process.client, remotes, self.handlers
        )

    def send(
        self,
        date: str,
        description: str = "Chest CT",
        study: TinyStudy | None = None,
        **attributes: Any,
    ) -> str:
        """Send a study and take it in; its key."""
        study = study or TinyStudy()
        values = {"StudyDate": date, "StudyDescription": description, **attributes}
        self.site.send(*study.images(**values))
        self.intake.run_once()
        with self.database.read() as session:
            query = select(SeenStudy.key).where(SeenStudy.study_instance_uid == study.uid)
            return session.scalars(query).one()

    def search(self) -> None:
        self.searcher.run_once()

    def priors(self, key: str) -> list[tuple[str, str, str | None]]:
        """Date, state and reason of each earlier study, most wanted first."""
        with self.database.read() as session:
            query = select(Prior).where(Prior.study_key == key).order_by(Prior.place)
            return [(p.study_date, str(p.state), p.reason) for p in session.scalars(query)]

    def item(self, session: Session, key: str) -> Workitem:
        return session.scalars(select(Workitem).where(Workitem.study_key == key)).one()

    def analysed(self, key: str, report: bool = True) -> None:
        """As a worker would leave the row."""
        with self.database.begin() as session:
            item = self.item(session, key)
            item.state, item.analysis_key = WorkState.READY, "a" * 64
            item.report_key = "r" * 64 if report else None

    def past_deadline(self, key: str) -> None:
        with self.database.begin() as session:
            session.get_one(PriorSearch, key).deadline = utcnow()
