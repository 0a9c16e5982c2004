"""What an analysis of a study would begin with: tried in a child process, and nothing is run.

The child reads the images (choosing a series may look at pixels), under the limits of an
analysis. It infers nothing, writes nothing but its own folder and sends nothing.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict

from gransk.archive.fetch import fetch_study
from gransk.archive.folder import one_study, read_paths
from gransk.archive.orthanc import ArchiveUnavailableError, NotInArchiveError, Orthanc
from gransk.archive.tables import SeenStudy
from gransk.core.application import Application, applications
from gransk.core.errors import ModelError, RefusalError, UnreadableInputError
from gransk.core.exam_facts import Fact, Place, facts_of, place_of
from gransk.core.findings import ModelIdentity, Note
from gransk.core.programme import Programme, order_of, programmes_of
from gransk.core.reasons import Reason
from gransk.core.study import Study
from gransk.pipeline.channel import place
from gransk.pipeline.choosing import chosen
from gransk.site.child_process import die_with_parent, limit_memory, no_memory
from gransk.site.config import Config
from gransk.site.model_library import library_of
from gransk.site.overrides import StudyFacts, matches

MOST_SECONDS = 300.0


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class InArchive(_Part):
    """A study of the archive, with what somebody said of it.

    Where nobody said ``unit`` or ``programme``, images and order are read by the rules tried.
    """

    key: str
    orthanc_id: str
    study_instance_uid: str
    unit: str = ""
    programme: Programme | None = None


class Wanted(_Part):
    """What the child is to look at: a study of the archive, or a folder."""

    config: dict[str, Any]
    output: str
    study: InArchive | None = None
    folder: str = ""


class OverrideTried(_Part):
    """An override of the application, and whether it holds for the study."""

    name: str
    holds: bool


class Read(_Part):
    """What one application would begin with.

    Parameters
    ----------
    application : str
    reason : Reason, optional
        Why it would analyse nothing; ``NO_APPLICATION``: the study is not its own.
    detail : str
    ready : bool
        Whether the exam is complete, as far as its images can tell.
    overrides : tuple of OverrideTried
        In the order in which they are laid over.
    settings : dict
        As they would be for this study.
    choice, notes : tuple of Note
        Which series is chosen or passed over and why; warnings about what is chosen.
    images : int
        That would be analysed.
    models : tuple of ModelIdentity
    models_missing : tuple of str
        Models that the settings name and that cannot be read.
    """

    application: str
    reason: Reason | None = None
    detail: str = ""
    ready: bool = False
    overrides: tuple[OverrideTried, ...] = ()
    settings: dict[str, Any] = {}
    choice: tuple[Note, ...] = ()
    notes: tuple[Note, ...] = ()
    images: int = 0
    models: tuple[ModelIdentity, ...] = ()
    models_missing: tuple[str, ...] = ()


class Tried(_Part):
    """What the images say, and what each application would begin with.

    Parameters
    ----------
    reason : Reason, optional
        Why nothing could be looked at.
    unreachable : bool
        Whether the archive did not answer.
    detail : str
    images : int
    left_out : str
        Files of a folder that are no DICOM objects, in words.
    modalities : tuple of str
    places : tuple of Place
    unit : str
        Empty where it is not known.
    programme : Programme, optional
    facts : dict of Fact to str
        That the images say.
    read : tuple of Read
    """

    reason: Reason | None = None
    unreachable: bool = False
    detail: str = ""
    images: int = 0
    left_out: str = ""
    modalities: tuple[str, ...] = ()
    places: tuple[Place, ...] = ()
    unit: str = ""
    programme: Programme | None = None
    facts: dict[Fact, str] = {}
    read: tuple[Read, ...] = ()


def try_rules(config: Config, study: InArchive | None = None, folder: Path | None = None) -> Tried:
    """Have a child look at a study of the archive, or at a folder of DICOM files.

    Parameters
    ----------
    config : Config
        Whose rules are tried: those in force, or those of a draft.
    study : InArchive, optional
    folder : Path, optional
        Instead of ``study``.
    """
    seconds = min(config.workers.time_limit_seconds, MOST_SECONDS)
    config.scratch_folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="trial.", dir=config.scratch_folder) as output:
        wanted = Wanted(
            config=config.model_dump(mode="json"),
            output=output,
            study=study,
            folder="" if folder is None else str(folder.absolute()),
        )
        try:
            ended = subprocess.run(
                [sys.executable, "-m", "gransk.pipeline.trial", str(config.workers.memory_mb)],
                input=wanted.model_dump_json().encode("utf-8"),
                capture_output=True,
                timeout=seconds,
                env={**os.environ, "MALLOC_ARENA_MAX": "2", "OMP_WAIT_POLICY": "passive"},
            )
        except subprocess.TimeoutExpired:
            return Tried(reason=Reason.TIME_LIMIT, detail=f"{seconds:g} s")
    if ended.returncode != 0 or not ended.stdout:
        # Libraries that get no memory end the process, each in its own way.
        said = ended.stderr.lower()
        if ended.returncode == -signal.SIGABRT or b"allocat" in said or b"memoryerror" in said:
            return Tried(reason=Reason.MEMORY_LIMIT)
        return Tried(reason=Reason.INTERNAL_ERROR, detail=f"exit {ended.returncode}")
    return Tried.model_validate_json(ended.stdout)


def main() -> None:
    """Look at what stands on standard input, and print what was seen."""
    die_with_parent()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    answer = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    wanted = Wanted.model_validate_json(sys.stdin.buffer.read())
    config = Config.model_validate(wanted.config)
    # Their code is loaded without a limit, as that of an analysis is.
    applications()
    limit_memory(int(sys.argv[1]), config.models.device)
    answer.write(_look(wanted, config).model_dump_json().encode("utf-8"))
    answer.flush()


def _look(wanted: Wanted, config: Config) -> Tried:
    try:
        study, left_out = _images(wanted, config)
        return _tried(study, left_out, wanted.study, config)
    except UnreadableInputError as error:
        return Tried(reason=Reason.UNREADABLE_FILE, detail=str(error))
    except NotInArchiveError as error:
        return Tried(reason=Reason.WITHDRAWN, detail=str(error))
    except ArchiveUnavailableError as error:
        return Tried(unreachable=True, detail=str(error))
    except Exception as error:  # noqa: BLE001 whatever it is, the person is told
        if no_memory(error):
            return Tried(reason=Reason.MEMORY_LIMIT)
        return Tried(reason=Reason.INTERNAL_ERROR, detail=place(error))


def _images(wanted: Wanted, config: Config) -> tuple[Study, str]:
    if wanted.study is None:
        found = read_paths([Path(wanted.folder)])
        return one_study(found.instances), found.words
    seen = SeenStudy(
        key=wanted.study.key,
        archive=config.orthanc.name,
        orthanc_id=wanted.study.orthanc_id,
        study_instance_uid=wanted.study.study_instance_uid,
    )
    orthanc = Orthanc(config.orthanc)
    try:
        return fetch_study(orthanc, seen, Path(wanted.output) / "study"), ""
    finally:
        orthanc.close()


def _tried(study: Study, left_out: str, known: InArchive | None, config: Config) -> Tried:
    headers = [instance.header for instance in study.instances]
    facts = facts_of(study, config.reading.matches)
    unit = (known.unit if known else "") or facts.get(Fact.UNIT, "") or config.reading.only_unit
    programme = known.programme if known else None
    if programme is None:
        section = config.programme
        said = programmes_of(order_of(study), section.by_code, section.by_text)
        programme = said[0] if len(said) == 1 else None
    return Tried(
        images=len(headers),
        left_out=left_out,
        modalities=tuple(sorted({str(h.get("Modality", "")).strip() for h in headers} - {""})),
        places=tuple(sorted({place_of(header) for header in headers})),
        unit=unit,
        programme=programme,
        facts={fact: str(value) for fact, value in facts.items()},
        read=tuple(
            _read(application, study, unit or None, programme, config)
            for application in applications().values()
        ),
    )


def _read(
    application: Application,
    study: Study,
    unit: str | None,
    programme: Programme | None,
    config: Config,
) -> Read:
    name = application.id
    verdict = application.accepts(study)
    if verdict is not None:
        return Read(application=name, reason=verdict)
    mine = [one for one in config.overrides if one.application == name]
    section = config.applications.get(name, {})
    facts = StudyFacts.of_headers(study, unit, programme)
    ready = application.ready(study)
    try:
        found = chosen(application, study, section, mine, unit, programme)
    except RefusalError as refusal:
        tried = _asked([(one.name, matches(one.where, facts)) for one in mine])
        return Read(
            application=name,
            reason=refusal.reason,
            detail=refusal.detail,
            ready=ready,
            overrides=tried,
        )
    models, missing = _models(application, found.settings, config)
    return Read(
        application=name,
        ready=ready,
        overrides=_asked([(one.name, one.name in found.fired) for one in mine]),
        settings=found.settings.model_dump(mode="json"),
        choice=found.selection.choice,
        notes=found.selection.notes,
        images=len(found.selection.instances),
        models=models,
        models_missing=missing,
    )


def _asked(names: Sequence[tuple[str, bool]]) -> tuple[OverrideTried, ...]:
    return tuple(OverrideTried(name=name, holds=holds) for name, holds in names)


def _models(
    application: Application, settings: BaseModel, config: Config
) -> tuple[tuple[ModelIdentity, ...], tuple[str, ...]]:
    """By their cards; no weights are read."""
    library, found, missing = library_of(config), [], []
    for name in application.models(settings):
        try:
            card = library.card(name)
        except ModelError:
            missing.append(name)
            continue
        identity = ModelIdentity(
            id=card.id, version=card.version, sha256=card.digest, research=card.research
        )
        found.append(identity)
    return tuple(found), tuple(missing)


if __name__ == "__main__":
    main()
