"""The questions of a risk profile, from an application's schema, and what a form answers."""

from __future__ import annotations

import datetime
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from gransk.core.application import Presentation
from gransk.core.errors import UnreadableInputError
from gransk.core.findings import Findings
from gransk.web import texts

PERSON = "person"
UNKNOWN = "null"
SEPARATOR = "|"
UID = "tracking_uid"
SOURCES = ("dicom", "image", "person", "rest", "fhir")


@dataclass(frozen=True)
class Question:
    """One question as the page asks it.

    Parameters
    ----------
    name : str
        Of the form's field.
    label, hint : str
        What is asked, and its description in the schema (English).
    kind : str
        ``choice`` or ``number``.
    choices : tuple of (str, str)
        Value of the field and what people read.
    value : str
        The answer that counts, as a choice's value or a number; empty where nobody answered.
    shown, source, date : str
        The same as people read it.
    offered : str
        What was measured and may be taken over; empty where nothing was.
    counted : str
        What the report's risk took where nobody answered: DICOM's or the image's.
    """

    name: str
    label: str
    kind: str
    choices: tuple[tuple[str, str], ...] = ()
    value: str = ""
    shown: str = ""
    source: str = ""
    date: str = ""
    offered: str = ""
    counted: str = ""


class Asker:
    """Makes the questions of one study.

    Parameters
    ----------
    schema : mapping
        The application's ``profile_schema``.
    presentation : Presentation
        Its texts: ``profile_`` and a key, ``answer_`` and a value.
    profile : mapping
        What is known.
    findings : Findings, optional
        Released ones, for what was measured.
    counted : mapping of (tracking UID, key) to value
        What the report's risk took; the UID is empty for what is of the patient.
    language : str
    """

    def __init__(
        self,
        schema: Mapping[str, Any],
        presentation: Presentation,
        profile: Mapping[str, Any],
        findings: Findings | None,
        counted: Mapping[tuple[str, str], Any],
        language: str,
    ) -> None:
        self._schema, self._presentation = schema, presentation
        self._profile, self._findings, self._language = profile, findings, language
        self._counted = counted

    def patient(self, part: str) -> list[Question]:
        """Questions of a part about the patient."""
        known = self._profile.get(part, {})
        return [self._question(part, "", key, known) for key in self._keys(part)]

    def lesion(self, part: str, uid: str) -> list[Question]:
        """Questions of a part about one lesion."""
        mine = [one for one in self._profile.get(part, ()) if one[UID] == uid]
        known: Mapping[str, Any] = mine[0] if mine else {}
        return [self._question(part, uid, key, known) for key in self._keys(part)]

    def parts(self) -> tuple[list[str], list[str]]:
        """Names of the parts about the patient, and of those about lesions."""
        found: tuple[list[str], list[str]] = ([], [])
        for name, held in self._schema["properties"].items():
            if "items" in held:
                found[1].append(name)
        # A part about one lesion without its name is for typed values alone.
        lone = {_name(self._schema, part) for part in found[1]}
        for name, held in self._schema["properties"].items():
            if "items" not in held and not _is_lone(self._schema, held, lone):
                found[0].append(name)
        return found

    def _keys(self, part: str) -> Iterator[str]:
        for key, held in _properties(self._schema, part).items():
            if key != UID and not held.get("measured"):
                yield key

    def _question(self, part: str, uid: str, key: str, known: Mapping[str, Any]) -> Question:
        kind, choices = self._kind(part, key)
        answer = known.get(key)
        value = "" if answer is None else json.dumps(answer["value"])
        counted = self._counted.get((uid, key))
        return Question(
            name=SEPARATOR.join((part, uid, key)),
            label=self._text(f"profile_{key}", key),
            kind=kind,
            choices=choices,
            value=value,
            shown="" if answer is None else self._shown(answer["value"]),
            source="" if answer is None else answer["source"],
            date="" if answer is None else answer["date"],
            offered=self._offered(part, key),
            counted=self._shown(counted) if value in ("", UNKNOWN) and counted is not None else "",
        )

    def _kind(self, part: str, key: str) -> tuple[str, tuple[tuple[str, str], ...]]:
        values = list(_values(self._schema, part, key))
        if values == ["number"]:
            return "number", ()
        return "choice", tuple((json.dumps(value), self._shown(value)) for value in values)

    def _shown(self, value: Any) -> str:
        if value is None:
            return texts.text("answer_unknown", self._language)
        if isinstance(value, int | float) and not isinstance(value, bool):
            return f"{value:g}".replace(".", "," if self._language == "da" else ".")
        word = {True: "yes", False: "no"}.get(value, str(value))
        return self._text(f"answer_{word}", word)

    def _offered(self, part: str, key: str) -> str:
        name = _properties(self._schema, part)[key].get("offered_by")
        value = None if name is None or self._findings is None else self._findings.measured(name)
        if value is None:
            return ""
        unit = next(m.unit.value for m in self._findings.measurements if m.name == name)  # type: ignore[union-attr]
        shown = texts.number(value, 1, self._language)
        return f"{self._text(name, name)}: {shown} {unit}"

    def _text(self, code: str, otherwise: str) -> str:
        return self._presentation.texts.get(code, {}).get(self._language, otherwise)


def answered(
    schema: Mapping[str, Any],
    form: Mapping[str, str],
    known: Mapping[str, Any],
    date: datetime.date,
    language: str,
) -> dict[str, Any]:
    """The answers of a form that differ from those that count.

    Parameters
    ----------
    schema : mapping
    form : mapping of str to str
        Fields of questions; others are passed over. Empty fields leave a question as it is.
    known : mapping
        The profile that counts.
    date : date
        The day that the answers are true of.
    language : str
        Of what an error says.

    Raises
    ------
    UnreadableInputError
        Where a field is no answer to its question; the message names its key.
    """
    found: dict[str, Any] = {}
    lesions: dict[tuple[str, str], dict[str, Any]] = {}
    for name, text in form.items():
        part, _, rest = name.partition(SEPARATOR)
        uid, _, key = rest.partition(SEPARATOR)
        if not key or part not in schema["properties"] or not text.strip():
            continue
        if key not in _properties(schema, part):
            continue
        value = _parsed(schema, part, key, text.strip(), language)
        if _counting(known, part, uid, key) == (True, value):
            continue
        answer = {"value": value, "source": PERSON, "date": date.isoformat()}
        if not uid:
            found.setdefault(part, {})[key] = answer
            continue
        if (part, uid) not in lesions:
            lesions[part, uid] = {UID: uid}
            found.setdefault(part, []).append(lesions[part, uid])
        lesions[part, uid][key] = answer
    return found


def merged(known: Mapping[str, Any], added: Mapping[str, Any]) -> dict[str, Any]:
    """A profile with more answers."""
    result: dict[str, Any] = {**known}
    for part, held in added.items():
        if isinstance(held, Mapping):
            result[part] = {**known.get(part, {}), **held}
            continue
        by_uid = {one.get(UID): dict(one) for one in known.get(part, ())}
        for one in held:
            uid = one.get(UID)
            by_uid[uid] = {**by_uid.get(uid, {}), **one}
        result[part] = list(by_uid.values())
    return result


def _counting(known: Mapping[str, Any], part: str, uid: str, key: str) -> tuple[bool, Any]:
    """Is a question answered, and how?"""
    held = known.get(part, {})
    if uid:
        held = next((one for one in held or () if one.get(UID) == uid), {})
    answer = held.get(key)
    return (False, None) if answer is None else (True, answer["value"])


def _parsed(schema: Mapping[str, Any], part: str, key: str, text: str, language: str) -> Any:
    values = list(_values(schema, part, key))
    if values == ["number"]:
        try:
            number = float(text.replace(",", "."))
        except ValueError as error:
            said = texts.text("profile_not_number", language, name=key)
            raise UnreadableInputError(said) from error
        return int(number) if number.is_integer() else number
    wrong = UnreadableInputError(texts.text("profile_no_answer", language, name=key))
    try:
        value = json.loads(text)
    except ValueError as error:
        raise wrong from error
    if not any(value is known or value == known for known in (*values, None)):
        raise wrong
    return value


def _values(schema: Mapping[str, Any], part: str, key: str) -> Iterator[Any]:
    """Every answer that a question may have; ``number`` where it is one."""
    answer = _properties(schema, part)[key]
    for option in answer.get("anyOf", [answer]):
        held = _resolved(schema, option).get("properties", {}).get("value")
        if held is None:
            continue
        for one in held.get("anyOf", [held]):
            kind = _resolved(schema, one)
            if "enum" in kind:
                yield from kind["enum"]
            elif kind.get("type") == "boolean":
                yield from (True, False)
            elif kind.get("type") in ("number", "integer"):
                yield "number"


def _properties(schema: Mapping[str, Any], part: str) -> Mapping[str, Any]:
    held = schema["properties"][part]
    found: Mapping[str, Any] = _resolved(schema, held.get("items", held)).get("properties", {})
    return found


def _resolved(schema: Mapping[str, Any], held: Mapping[str, Any]) -> Mapping[str, Any]:
    name = str(held.get("$ref", "")).rpartition("/")[2]
    found: Mapping[str, Any] = schema.get("$defs", {}).get(name, held)
    return found


def _name(schema: Mapping[str, Any], part: str) -> frozenset[str]:
    return frozenset(_properties(schema, part)) - {UID}


def _is_lone(schema: Mapping[str, Any], held: Mapping[str, Any], lone: set[frozenset[str]]) -> bool:
    return frozenset(_resolved(schema, held).get("properties", {})) in lone
