"""The part of the configuration about what is removed after a time."""

from __future__ import annotations

from gransk.site.config_types import Section


class RetentionSection(Section):
    """What is removed after a time."""
