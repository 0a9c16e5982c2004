"""The part of the configuration about priority: which findings move a study up, and why."""

from __future__ import annotations

from collections.abc import Collection
from typing import Annotated, Literal

from pydantic import Field

from gransk.core.urgent import Conditions
from gransk.site.config_types import Name, Section, names_differ


class PriorityRule(Section):
    """A rule: where ``when`` holds of a released report, the study is of this level.

    ``da`` and ``en`` are the reason as people read it.
    """

    name: Name
    level: Literal["high", "stat"] = "high"
    da: str = Field(min_length=1, max_length=120)
    en: str = Field(min_length=1, max_length=120)
    application: Name
    when: Conditions

    def words(self, language: str) -> str:
        """The reason in a language."""
        return self.da if language == "da" else self.en


class PrioritySection(Section):
    """The site's rules; of several that hold the highest level counts, then the first."""

    rules: Annotated[tuple[PriorityRule, ...], names_differ("rules")] = ()

    def words(self, name: str, language: str) -> str:
        """A rule's reason; the name of one that the configuration lost."""
        found = next((rule for rule in self.rules if rule.name == name), None)
        return name if found is None else found.words(language)

    def unknown(self, installed: Collection[str]) -> PriorityRule | None:
        """The first rule of an application that is not installed; None where there is none."""
        return next((rule for rule in self.rules if rule.application not in installed), None)
