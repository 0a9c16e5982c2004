"""The settings for one study, and the images that they choose."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel

from gransk.core.application import Application, Selection
from gransk.core.programme import Programme
from gransk.core.study import Study
from gransk.site.config_overrides import Override, laid_over
from gransk.site.overrides import StudyFacts, resolved


@dataclass(frozen=True)
class Chosen:
    """What an analysis of a study begins with.

    Parameters
    ----------
    settings : pydantic.BaseModel
        Of the application's schema, with the overrides that hold laid over.
    fired : tuple of str
        Names of these overrides.
    selection : Selection
    facts : StudyFacts
        What overrides were asked with.
    """

    settings: BaseModel
    fired: tuple[str, ...]
    selection: Selection
    facts: StudyFacts


def chosen(
    application: Application,
    study: Study,
    section: Mapping[str, Any],
    overrides: Sequence[Override],
    unit: str | None,
    programme: Programme | None,
    beside: Mapping[str, Any] | None = None,
) -> Chosen:
    """The settings for a study, the overrides that hold, and the images.

    A kernel is that of chosen images: they are chosen without the overrides that ask for one,
    which say nothing of how images are chosen. ``beside`` is laid over everything, and says
    nothing of it either.

    Raises
    ------
    RefusalError
        Where no images are suitable.
    """
    sections = {application.id: section}
    schema = application.settings_schema
    facts = StudyFacts.of_headers(study, unit, programme)
    found = resolved(sections, overrides, application.id, facts)
    settings = schema.model_validate(laid_over(found.settings, beside or {}))
    selection = application.select(study, settings)
    if any(one.where.kernel is not None for one in overrides):
        facts = facts.of_images(selection.instances)
        found = resolved(sections, overrides, application.id, facts)
        settings = schema.model_validate(laid_over(found.settings, beside or {}))
    return Chosen(settings, found.fired, selection, facts)
