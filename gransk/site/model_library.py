"""The models that a configuration names: one place that says where they lie and how they run."""

from __future__ import annotations

from gransk.core.models import ModelLibrary
from gransk.site.config import Config


def library_of(config: Config) -> ModelLibrary:
    """The shipped models and those that the site admitted, as the configuration runs them."""
    models = config.models
    return ModelLibrary(models.folder, models.threads, models.device, config.admitted_folder)
