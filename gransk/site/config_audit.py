"""The part of the configuration about who is told what people and machines did."""

from __future__ import annotations

from gransk.site.config_types import Section


class AuditSection(Section):
    """Who is told what people and machines did."""
