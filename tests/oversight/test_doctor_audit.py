"""The doctor says whether the audit repository is told."""

import pytest
from harness_orthanc import make_config
from sqlalchemy import update
from syslog_peer import Repository

from gransk.oversight.audit.sending import send_again
from gransk.oversight.audit.tables import AuditCursor
from gransk.oversight.doctor import Level
from gransk.oversight.doctor_audit import check_audit
from gransk.site.database import utcnow
from gransk.site.migrate import open_database

pytestmark = pytest.mark.system


def seen(config):
    return [(result.level, result.seen, result.remedy("en")) for result in check_audit(config)]


def test_without_a_repository_nothing_is_wrong(tmp_path):
    assert [(level, what) for level, what, _ in seen(make_config(tmp_path))] == [
        (Level.OK, "audit_none")
    ]


def test_one_that_answers_one_that_does_not_and_what_waits(tmp_path):
    repository = Repository(tmp_path).start()
    config = make_config(tmp_path, audit={"repository": repository.settings()})
    try:
        ((level, what, _),) = seen(config)
        assert (level, what) == (Level.OK, "audit_good")
        assert not config.data_folder.exists(), "looking makes nothing"
    finally:
        repository.stop()
    database = open_database(config)
    with database.begin() as session:
        send_again(session, 1)
        session.execute(update(AuditCursor).values(error="away", failing_since=utcnow()))
    database.close()
    found = seen(config)
    assert [(level, what) for level, what, _ in found] == [
        (Level.FAIL, "audit_silent"), (Level.WARN, "audit_behind")]  # fmt: skip
    assert all(remedy for _, _, remedy in found)
