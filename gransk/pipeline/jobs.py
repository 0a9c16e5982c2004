"""What a child is given to do, where it works, and what any fault around it means."""

from __future__ import annotations

import errno
import logging
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session

from gransk.archive.tables import Purpose, SeenStudy
from gransk.pipeline import protocol
from gransk.pipeline.supervise import How
from gransk.registry.stages import card_digests
from gransk.results.exam_facts import exam_unit
from gransk.results.programmes import programme_of
from gransk.results.tables import Workitem
from gransk.site.config import Config
from gransk.site.config_overrides import Override
from gransk.site.config_shadows import Shadow, drawn
from gransk.site.tables import SettingVersion

log = logging.getLogger(__name__)


def job_of(
    session: Session, config: Config, item: Workitem, seen: SeenStudy, output: Path
) -> protocol.Job:
    """The analysis of a row's study, under the settings of the version it was queued with."""
    content = _content(session, item)
    prior = seen.purpose == Purpose.PRIOR
    return protocol.Job(
        config=config.model_dump(mode="json"),
        study_key=seen.key,
        orthanc_id=seen.orthanc_id,
        study_instance_uid=seen.study_instance_uid,
        application=item.application,
        settings=dict(content.get("applications", config.applications).get(item.application, {})),
        incomplete=item.incomplete,
        output=str(output),
        overrides=_overrides(content, config, item),
        unit=_unit(session, config, item),
        programme=programme_of(session, item.study_key),
        prior=prior,
        admitted=card_digests(session),
        shadows=() if prior else shadows_of(session, item),
    )


def shadows_of(session: Session, item: Workitem) -> tuple[Shadow, ...]:
    """Shadows of the version that the work was queued with, as far as its key tells."""
    every = map(Shadow.model_validate, _content(session, item).get("shadows") or ())
    return tuple(
        one for one in every
        if one.application == item.application and drawn(one, item.study_key)
    )  # fmt: skip


def attempted(run: Callable[[], tuple[How, str]], name: str) -> tuple[How, str]:
    """Run; whatever can go wrong is an answer, not an error."""
    try:
        return run()
    except OperationalError as error:
        return How.UNREACHABLE, f"database: {type(error.orig).__name__}"
    except OSError as error:
        full = error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.ENOMEM)
        return (How.UNREACHABLE if full else How.BROKEN), f"OSError {error.errno}"
    except Exception as error:
        log.exception("work %s", name)
        return How.BROKEN, type(error).__name__


@contextmanager
def scratch_of(config: Config, name: str) -> Iterator[Path]:
    """A folder of a child's own."""
    folder = config.scratch_folder
    folder.mkdir(parents=True, exist_ok=True)
    scratch = Path(tempfile.mkdtemp(prefix=f"{name}.", dir=folder))
    try:
        yield scratch
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def _overrides(content: dict[str, Any], config: Config, item: Workitem) -> tuple[Override, ...]:
    kept = content.get("overrides")
    every = config.overrides if kept is None else map(Override.model_validate, kept)
    return tuple(one for one in every if one.application == item.application)


def _content(session: Session, item: Workitem) -> dict[str, Any]:
    version = session.get(SettingVersion, item.settings_version)
    return {} if version is None else version.content


def _unit(session: Session, config: Config, item: Workitem) -> str | None:
    """The unit whose exam it is, where that is known."""
    return exam_unit(session, item.study_key, config.reading) or None
