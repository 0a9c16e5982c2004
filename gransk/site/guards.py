"""The database's own guards of what is append-only: are they all in place?"""

from __future__ import annotations

from sqlalchemy import text
from sqlalchemy.orm import Session

TABLES = (
    "event", "setting_version", "profile_answer", "finding_act", "programme_statement",
    "announcement",
    "exam_fact", "room_version", "room_approval", "ai_pause", "validation", "outcome",
    "reading_entry", "identity_statement", "identity_change", "setting_draft",
    "setting_approval", "setting_turned_down", "setting_file",
)  # fmt: skip
_ACTS = {"sqlite": ("update", "delete", "replace"), "postgresql": ("change",)}
_FOUND = {
    "sqlite": "SELECT tbl_name, name FROM sqlite_master WHERE type = 'trigger'",
    "postgresql": (
        "SELECT c.relname, t.tgname FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid "
        "WHERE NOT t.tgisinternal AND t.tgenabled IN ('O', 'A')"
    ),
}


def missing_guards(session: Session) -> list[str]:
    """Names of triggers that refuse changes and are absent or switched off."""
    kind = session.get_bind().dialect.name
    found = {(table, name) for table, name in session.execute(text(_FOUND[kind]))}
    wanted = [(table, f"{table}_no_{act}") for table in TABLES for act in _ACTS[kind]]
    return [name for table, name in wanted if (table, name) not in found]
