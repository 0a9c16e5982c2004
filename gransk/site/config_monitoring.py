"""The part of the configuration about alarms: who is told when something drifts or fails."""

from __future__ import annotations

from gransk.site.config_types import Section


class MonitoringSection(Section):
    """Alarms: who is told when something drifts or fails."""
