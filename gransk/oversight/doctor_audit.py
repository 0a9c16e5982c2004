"""The doctor's look at the audit repository: is it told, and can it be reached?"""

from __future__ import annotations

from collections.abc import Iterator

from gransk.core.errors import ConfigurationError
from gransk.oversight.audit.sending import waiting
from gransk.oversight.audit.syslog import RepositoryError, deliver
from gransk.oversight.doctor import Check, Level, Result, file_missing
from gransk.site.config import Config
from gransk.site.database import Database, utcnow
from gransk.site.migrate import SchemaState, schema_state

NAME = "audit"


def check_audit(config: Config) -> Iterator[Result]:
    """Does the repository answer, and does it have what happened?"""
    repository = config.audit.repository
    if repository is None:
        yield Result(NAME, Level.OK, "audit_none")
        return
    values = {"host": repository.host, "port": repository.port}
    try:
        deliver(repository, ())
    except (RepositoryError, ConfigurationError) as error:
        yield Result(NAME, Level.FAIL, "audit_silent", values | {"error": str(error)})
    else:
        yield Result(NAME, Level.OK, "audit_good", values)
    if file_missing(config.database.url):
        return
    database = Database(config.database.url)
    try:
        if schema_state(database) is not SchemaState.CURRENT:
            return
        with database.read() as session:
            cursor, left, seconds = waiting(session, utcnow())
    finally:
        database.close()
    if cursor is not None and cursor.error:
        told = {"count": left, "minutes": round(seconds / 60), "error": cursor.error}
        yield Result(NAME, Level.WARN, "audit_behind", told)


CHECKS: tuple[Check, ...] = (check_audit,)
