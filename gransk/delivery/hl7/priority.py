"""That a study moved up: HL7 v2 OMG^O19 or ORM^O01, or JSON. Equal input makes equal bytes."""

from __future__ import annotations

from typing import Any

from gransk.delivery.hl7.acknowledgement import timestamp
from gransk.delivery.hl7.codes import of, written
from gransk.delivery.hl7.er7 import Field, segment
from gransk.delivery.hl7.outgoing import (
    Announced,
    Made,
    exam_json,
    message,
    order_fields,
    order_numbers,
    pid,
    posted,
)
from gransk.results.told_reports import PriorityTold
from gransk.site.config_messages import Hl7Destination
from gransk.site.hl7_mapping import Hl7Mapping

CHANGE = "XO"
"""ORC-1: change of an order (HL7 table 0119)."""
WITH_TQ1 = ("2.5", "2.5.1")
"""Versions in which the priority of an order stands in a segment of its own."""


def priority_hl7(
    told: Announced[PriorityTold], settings: Hl7Destination, mapping: Hl7Mapping
) -> Made:
    """The new priority of an order: OMG^O19 with TQ1-9, before version 2.5 ORM^O01 with OBR-27."""
    news = told.news
    code = written(of(mapping.values.priority, news.level.value))
    reason = [news.rule, news.words, "99GRANSK"]
    tq1 = settings.version in WITH_TQ1
    timing: Field = "" if tq1 else ["", "", "", "", "", code[0]]
    orc: list[Field] = [""] * 16
    orc[:3] = [CHANGE, *order_numbers(told)]
    orc[6], orc[8] = timing, timestamp(news.at.astimezone(told.at.tzinfo))
    orc[15] = reason
    service = written([mapping.documents.get(news.application, mapping.document)])
    obr = order_fields(told, service, 27)
    obr[26] = timing
    body = [pid(told.exam), segment("ORC", *orc)]
    if tq1:
        body.append(segment("TQ1", "1", *[""] * 7, code))
    body += [segment("OBR", *obr), segment("NTE", "1", "", news.words)]
    kind = ("OMG", "O19", "OMG_O19") if tq1 else ("ORM", "O01", "ORM_O01")
    return message(kind, told, settings, body)


def priority_json(told: Announced[PriorityTold]) -> dict[str, Any]:
    """The new priority as JSON values."""
    content = told.news.model_dump(mode="json", exclude={"study_key"})
    return {"kind": "priority"} | exam_json(told) | content


def priority_post(told: Announced[PriorityTold]) -> Made:
    """The new priority as the body of a POST."""
    return posted(told.number, priority_json(told))
