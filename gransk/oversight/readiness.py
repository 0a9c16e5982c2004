"""Is the suite able to work? What load balancers, containers and people ask first."""

from __future__ import annotations

from enum import StrEnum

from sqlalchemy import func, select
from sqlalchemy.exc import SQLAlchemyError

from gransk.archive.status import State, Status
from gransk.site.database import Database
from gransk.site.executors import heard_of
from gransk.site.migrate import SchemaState, schema_state
from gransk.site.tables import Executor


class Part(StrEnum):
    """What must hold."""

    DATABASE = "database"
    """It answers and has the schema of this code."""
    ORTHANC = "orthanc"
    INTAKE = "intake"
    """Studies are taken in."""
    WORKERS = "workers"
    """At least one is heard of."""


def readiness(
    database: Database, orthanc_version: str, intake: Status | None, lost_after_seconds: float
) -> dict[Part, bool]:
    """Each part, and whether it holds.

    Parameters
    ----------
    database : Database
    orthanc_version : str
        Empty where it is silent.
    intake : Status, optional
        None where this process takes nothing in.
    lost_after_seconds : float
        A worker that is silent for longer is not heard of.
    """
    return {
        Part.DATABASE: _database(database),
        Part.ORTHANC: bool(orthanc_version),
        Part.INTAKE: intake is None or intake.state in (State.STARTING, State.RUNNING),
        Part.WORKERS: heard(database, lost_after_seconds) > 0,
    }


def heard(database: Database, lost_after_seconds: float, host: str = "") -> int:
    """How many workers are heard of, of one host where it is named; 0 where the database fails."""
    query = select(func.count()).where(heard_of(lost_after_seconds))
    if host:
        query = query.where(Executor.host == host)
    try:
        with database.read() as session:
            return session.scalar(query) or 0
    except SQLAlchemyError:
        return 0


def _database(database: Database) -> bool:
    try:
        return schema_state(database) is SchemaState.CURRENT
    except SQLAlchemyError:
        return False
