"""The catalogue of texts is whole, in both languages."""

from __future__ import annotations

import re
import string
from pathlib import Path
from typing import get_args

import pytest

import gransk.web
from gransk.archive.tables import PriorState
from gransk.core.followup import Outcome
from gransk.core.object_kinds import ObjectKind
from gransk.core.programme import UNKNOWN, Programme
from gransk.core.reasons import TEXTS, Reason
from gransk.core.screening import Breast, FindingType, TechnicalReason, Verdict
from gransk.delivery.hl7.acknowledgement import Refusal
from gransk.oversight.audit.export import FORMS
from gransk.oversight.compared import GROUPS
from gransk.oversight.rule_test import OUTCOMES, Said
from gransk.oversight.running import Step
from gransk.reading.entries import AlertCode, TaskKind
from gransk.reading.exam import State
from gransk.reading.groups import Dimension
from gransk.reading.opinions import AiSaid, Difference, DifferenceReason
from gransk.reading.outcomes import Found
from gransk.reading.plan import PlanReason, PolicyKind
from gransk.reading.policy_refusals import PolicyRefusal
from gransk.reading.simulation.figures import Assumption
from gransk.reading.tables import Closing, FollowUpState
from gransk.reading.troubles import Trouble
from gransk.reading.validation.report import Counts, Missing
from gransk.registry.beside import BesideRefusal
from gransk.registry.beside_tables import RunState
from gransk.registry.checks import Check, Fault
from gransk.registry.refusals import ModelRefusal
from gransk.registry.tables import EvidenceKind, Source, Stage
from gransk.results.message_tables import AnnouncementKind
from gransk.results.programmes import Conflict
from gransk.results.tables import ActKind, DeliveryState, ProgrammeSource, WorkState
from gransk.results.urgency import Level
from gransk.site.events import EventKind
from gransk.site.tables import Role
from gransk.web import texts
from gransk.web.case_history import LABELS, About
from gransk.web.comparing_pages import SIDES
from gransk.web.follow_up_pages import COLUMNS
from gransk.web.model_pages import DONE as MODEL_DONE
from gransk.web.profile_form import SOURCES
from gransk.web.reading.board import DONE
from gransk.web.reading.board_rows import AGES
from gransk.web.reading.entry_words import REASONS
from gransk.web.reading.forms import WHOLE
from gransk.web.reading.policy_form import (
    CHOICES,
    FACTS,
    PolicyFields,
    RuleFields,
)
from gransk.web.reading.simulating import MEASURES
from gransk.web.rendering import STEPS
from gransk.web.viewed import Way

FORM_FIELDS = {
    *vars(PolicyFields()), *vars(RuleFields()), "study", "reference", "until", "by", "because",
    "exams", "cancers", "follow_up_months", "valid_from",
} - {"study_kind", "study_reference", "study_until"}  # fmt: skip
"""Fields of the form of policies, as their faults name them."""
FAULTS = (
    "value", "missing", "string_pattern_mismatch", "string_too_short", "too_short", "int_type",
    "date_from_datetime_parsing", "limit", "limit_none", "alone_none", "ages", "because",
    "images_none", "unique", "study", "screening", "minimum", "policy",
)  # fmt: skip
ROOM = Path(gransk.web.__file__).parent
MODES = ("read", "correct", "safety", "verdict")


def test_every_key_has_both_languages_with_the_same_places():
    for key, versions in texts.catalogue().items():
        assert set(versions) == set(texts.LANGUAGES), key
        places = {
            tuple(sorted(n for _, n, _, _ in string.Formatter().parse(t) if n))
            for t in versions.values()
        }
        assert len(places) == 1, key
        assert all(t.strip() for t in versions.values()), key


def test_no_key_stands_twice():
    keys = [
        key
        for path in texts.files()
        for key in re.findall(
            r'^"?(wants: [^"]+|\w+)"?:', path.read_text(encoding="utf-8"), re.MULTILINE
        )
    ]
    assert len(keys) == len(set(keys))
    assert set(keys) == set(texts.catalogue())


def used() -> set[str]:
    """Keys that templates and code name, those put together by code too."""
    found: set[str] = set()
    for path in ROOM.rglob("*.html"):
        found |= set(re.findall(r"\bt\('(\w+)'[,)]", path.read_text(encoding="utf-8")))
    for path in ROOM.rglob("*.py"):
        content = path.read_text(encoding="utf-8")
        found |= set(re.findall(r"\b(?:t|text|texts\.text)\(\s*\"(\w+)\"", content))
        quoted = set(re.findall(r"\"(\w+)\"", content))
        found |= quoted & set(texts.catalogue())
    for prefix, values in (
        ("state", WorkState), ("delivery", DeliveryState), ("role", Role), ("event", EventKind),
        ("prior", PriorState),
        ("identity", ("patient_id", "issuer", "patient_name", "birth_date", "sex")),
        ("identity_images", ("waiting", "failed")),
        ("monitoring_step", Step),
        ("rules_said", get_args(Said)), ("rules_outcome", OUTCOMES),
        ("beside", RunState), ("comparing", (*SIDES, *BesideRefusal)), ("comparing_by", GROUPS),
        ("step", STEPS), ("kind", [one.lower() for one in ObjectKind]),
        ("start", ("title", "text", "button")),
        ("join", ("title", "text", "button")), ("source", SOURCES),
        ("follow_up_state", FollowUpState), ("closing", Closing), ("follow_up", COLUMNS),
        ("follow_up_rule", ("signed", "released", "grace")),
        ("verdict", ("confirmed", "rejected", "added")),
        ("message_state", ("waiting", "failed")),
        ("message_kind", AnnouncementKind),
        ("level", Level),
        ("message_refusal", [one.name.lower() for one in Refusal]),
        ("outcome", Outcome),
        ("exam_state", ("to_read", *State)), ("exam_verdict", Verdict), ("exam_task", TaskKind),
        ("trouble", Trouble), ("remedy", Trouble), ("board_done", DONE), ("board_age", AGES),
        ("board", [f"{act}{end}" for act in ("return", "withdraw", "pause", "resume")
                   for end in ("", "_told")]),
        ("board", ("reassign_short", "return_short", "withdraw_short")),
        ("board_differed", ("ai", "humans")), ("entry_breast", Breast),
        ("entry_finding", FindingType), ("entry_technical", TechnicalReason),
        ("entry_ai", AiSaid), ("entry_reason", REASONS), ("policy_kind", PolicyKind),
        ("plan_reason", PlanReason), ("difference", DifferenceReason),
        ("trouble", AlertCode),
        ("readers", ("reads", "arbitrates", "experienced", "trainee", "active")),
        ("board_why", ("absent", "load", "asked", "quality")),
        ("dimension", Dimension),
        ("validation_count", Counts.model_fields),
        ("validation_missing", Missing),
        ("validation", ("first_reader", "second_reader", "decision", "axis_x", "axis_y")),
        ("measure", MEASURES),
        ("assumption", Assumption),
        ("policy_remedy", PolicyRefusal),
        ("policy_state", ("current", "coming", "past", "open", "overtaken")),
        ("policy_no_simulation", ("no_scores", "no_exams")),
        *((f"policy_{name}", [one for one in values if one]) for name, values in (
            ("kind", CHOICES["kind"]), ("differing", CHOICES["differing"]),
            ("arbitration", CHOICES["arbitration"]), ("by", CHOICES["known_by"]),
            ("when", (*CHOICES["programmes"], *CHOICES["rounds"], *CHOICES["treated"])),
            ("study", CHOICES["study_kind"]), ("fact", FACTS), ("field", FORM_FIELDS),
            ("fault", FAULTS),
        )),
        ("model_stage", Stage), ("model_check", Check), ("model_fault", Fault),
        ("model_refusal", ModelRefusal), ("model_source", Source),
        ("model_evidence", EvidenceKind), ("model_done", MODEL_DONE),
        ("programme", (*Programme, UNKNOWN)),
        ("programme_source", ProgrammeSource),
        ("programme_conflict", [one for one in Conflict if one]),
        ("act", [kind for kind in ActKind if kind is not ActKind.WITHDRAW]),
        ("reading_verdict", Verdict), ("reading_breast", Breast), ("reading_type", FindingType),
        ("reading_view", ("CC", "MLO", WHOLE)), ("reading_reason", TechnicalReason),
        ("reading_why", DifferenceReason), ("reading_differ", Difference),
        ("reading_ai", (*AiSaid, "not_calibrated", "category_low", "category_high")),
        ("reading_title", MODES), ("reading_save", MODES), ("reading_key", Verdict),
        ("reading_found", Found),
        ("history", LABELS), ("history_about", About), ("history_ways", Way),
        ("history_fields", ("patient_id", "issuer", "patient_name", "birth_date", "sex")),
        ("history_of", ("study", "patient")), ("history_in", ("reading", "viewer")),
        ("audit_form", FORMS),
        ("rules_said", ("low", "high", "no_opinion")), ("rules_outcome", ("findings", "none")),
        ("error", (400, 401, 403, 404, 406, 409, 413, 415, 422, 429, 500, 502, 503)),
    ):  # fmt: skip
        found |= {f"{prefix}_{value}" for value in values}
    # Names of keys of the settings, what is wrong with their values, and what is told by a code.
    found |= {key for key in texts.catalogue() if key.startswith(BY_CODE) or key.endswith("_room")}
    return found


BY_CODE = (
    "setting_", "fault_", "wants: ", "waits_", "settings_of_", "settings_about_",
    "settings_state_", "settings_origin_", "settings_done_", "preview_kind_", "preview_untold_",
)  # fmt: skip


def test_every_key_used_exists_and_every_key_is_used():
    assert used() - set(texts.catalogue()) == set()
    assert set(texts.catalogue()) - used() == set()


def test_every_reason_has_a_text():
    assert set(TEXTS) == set(Reason)
    assert all(set(t) == set(texts.LANGUAGES) for t in TEXTS.values())


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ("Testesen^Anna", "Testesen, Anna"),
        ("Testesen^Anna^Maria^Dr.^MD", "Testesen, Dr. Anna Maria MD"),
        ("Yamada^Tarou=山田^太郎=やまだ^たろう", "Yamada, Tarou (山田 太郎)"),
        ("=山田^太郎", "山田 太郎"),
        ("Only", "Only"),
        ("^^^^", ""),
        ("", ""),
    ],
)
def test_person_name(value, shown):
    assert texts.person_name(value) == shown


def test_dates():
    assert texts.dicom_date("20260105", "da") == "05.01.2026"
    assert texts.dicom_date("2026.01.05", "en") == "2026-01-05"
    for value in ("unknown", "", "00000000", "20261301", "1950"):
        assert texts.dicom_date(value, "en") == ""
