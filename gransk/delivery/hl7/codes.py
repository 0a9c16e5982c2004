"""A site's mapping as it is used: codes to write, codes to read, fields to look in."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache

from gransk.delivery.hl7.er7 import Message, Path, Segment
from gransk.site.config_types import Section
from gransk.site.hl7_mapping import Hl7Mapping


def written(codes: Sequence[str]) -> list[str]:
    """The code that is written: value, meaning and scheme."""
    return codes[0].split("^")


def of(section: Section, name: str) -> Sequence[str]:
    """Codes of a name of the mapping, such as ``mass`` of ``values.finding``."""
    found: Sequence[str] = getattr(section, name)
    return found


def is_one_of(codes: Sequence[str], value: str, scheme: str = "") -> bool:
    """Whether a value means one of the codes; a scheme counts where both name one."""
    for code in codes:
        parts = code.split("^")
        schemes = (parts[2] if len(parts) > 2 else "", scheme)
        if parts[0] == value and (not all(schemes) or schemes[0] == schemes[1]):
            return True
    return False


def meaning(section: Section, value: str, scheme: str = "") -> str | None:
    """The name under which a value stands in a part of the mapping; None where it does not."""
    names = type(section).model_fields
    return next((n for n in names if is_one_of(of(section, n), value, scheme)), None)


@cache
def _path(text: str) -> Path:
    return Path.parse(text)


def field(paths: Sequence[str], *segments: Segment | None) -> str:
    """The first value that stands at one of the paths, in these segments."""
    for text in paths:
        path = _path(text)
        for segment in segments:
            if segment is not None and segment.name == path.segment and segment.at(path):
                return segment.at(path)
    return ""


def order_fields(message: Message, mapping: Hl7Mapping) -> Mapping[str, str]:
    """What a message says beside its observations, by name of the mapping."""
    segments = [*message.segments]
    found = {
        name: field(of(mapping.fields, name), *segments)
        for name in type(mapping.fields).model_fields
    }
    return {name: value for name, value in found.items() if value}
