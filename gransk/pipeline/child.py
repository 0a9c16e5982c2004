"""The child process: fetches one study, analyses it and writes its objects.

Everything that touches images of unknown origin happens here, under a memory
limit, and dies with the worker. Its standard output is for messages alone.
"""

from __future__ import annotations

import ctypes
import errno
import os
import resource
import signal
import sys
import threading
import time
import traceback
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from gransk.archive.fetch import fetch_study
from gransk.archive.orthanc import ArchiveUnavailableError, NotInArchiveError, Orthanc
from gransk.archive.tables import SeenStudy
from gransk.core.application import Application, Context, Picture, Progress, Selection, applications
from gransk.core.errors import GranskError, RefusalError, UnreadableInputError
from gransk.core.findings import Findings
from gransk.core.keys import report_key, selection_key
from gransk.core.models import ModelLibrary
from gransk.core.reasons import Reason
from gransk.core.study import Study
from gransk.pipeline import protocol
from gransk.results.dicom.objects import Predecessor, make_objects
from gransk.results.pictures import pack_pictures, unpack_pictures
from gransk.site.config import Config

PR_SET_PDEATHSIG = 1
MB = 1024 * 1024
PROGRESS_SECONDS = 0.3


class Channel:
    """The pipes to the worker."""

    def __init__(self, reading: BinaryIO, writing: BinaryIO) -> None:
        self._reading = reading
        self._writing = writing
        self._lock = threading.Lock()
        self._said = ("", 0.0)

    def send(self, message: protocol.Message) -> None:
        with self._lock:
            self._writing.write(message.model_dump_json().encode("utf-8") + b"\n")
            self._writing.flush()

    def job(self) -> protocol.Job:
        return protocol.Job.model_validate_json(self._reading.readline())

    def ask(self, message: protocol.Asked) -> protocol.Answer:
        self.send(message)
        return protocol.Answer.model_validate_json(self._reading.readline())

    def progress(self, step: str, share: float) -> None:
        """Tell step and share: each new step, else a few times a second."""
        now = time.monotonic()
        said_step, said_at = self._said
        if step != said_step or now - said_at >= PROGRESS_SECONDS:
            self._said = (step, now)
            self.send(protocol.Progress(step=step, share=share))


def main() -> None:
    """Do the one job that stands on standard input."""
    _die_with_parent()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    channel = Channel(os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb"))
    os.dup2(2, 1)
    _load_applications()
    job = channel.job()
    os.chdir(job.output)
    config = Config.model_validate(job.config)
    _limit_memory(int(sys.argv[1]), config.models.device)
    channel.send(_outcome(job, config, channel))


def _load_applications() -> None:
    """Load their code while no job is here; what fails now fails again, and is told, then."""
    try:
        applications()
    except Exception:  # noqa: BLE001
        return


def _outcome(job: protocol.Job, config: Config, channel: Channel) -> protocol.Message:
    """Do the job; every way in which it can end is a message."""
    try:
        return protocol.Done(objects=tuple(_run(job, config, channel)))
    except RefusalError as refusal:
        return protocol.Refused(reason=refusal.reason, detail=refusal.detail)
    except UnreadableInputError as error:
        return protocol.Refused(reason=Reason.UNREADABLE_FILE, detail=str(error))
    except ArchiveUnavailableError as error:
        return protocol.Unreachable(detail=str(error))
    except NotInArchiveError as error:
        return protocol.Missing(detail=str(error))
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            return protocol.Unreachable(detail="no room on the disk for scratch files")
        return protocol.Broken(detail=_place(error))
    except MemoryError:
        return protocol.Refused(reason=Reason.MEMORY_LIMIT, detail="no more memory was given")
    except Exception as error:  # noqa: BLE001 whatever it is, the queue goes on
        if "bad_alloc" in str(error) or "allocate" in str(error).lower():
            return protocol.Refused(reason=Reason.MEMORY_LIMIT, detail=type(error).__name__)
        return protocol.Broken(detail=_place(error))


def _run(job: protocol.Job, config: Config, channel: Channel) -> Iterator[protocol.MadeFile]:
    output = Path(job.output)
    study = _fetch(job, config, channel)
    application = applications()[job.application]
    settings = application.settings_schema.model_validate(job.settings)
    channel.progress("select", 0.1)
    verdict = application.accepts(study)
    if verdict is not None:
        raise RefusalError(verdict)
    selection = application.select(study, settings)
    models = config.models
    library = ModelLibrary(models.folder, models.threads, models.device)
    channel.progress("digest", 0.12)
    key = selection_key(application, selection, settings, library)
    extra = {"incomplete": job.incomplete, "language": config.language}
    report = report_key(key, selection.instances[0].header, extra)
    answer = channel.ask(protocol.Asked(analysis_key=key, report_key=report))
    if answer.report:
        return
    if answer.findings is not None and answer.pictures is not None:
        findings = Findings.model_validate_json(Path(answer.findings).read_bytes())
        pictures = unpack_pictures(Path(answer.pictures).read_bytes())
    else:
        context = Context(library, settings, _scaled(channel), key)
        findings, pictures = _analyse(application, study, selection, context, output, channel)
    channel.progress("objects", 0.92)
    before = answer.supersedes
    made = make_objects(
        study=study,
        findings=findings,
        presentation=application.presentation,
        pictures=pictures,
        report_key=report,
        created=answer.created.astimezone(config.zone),
        incomplete=job.incomplete,
        predecessors=[Predecessor(study.uid, before[2], before[0], before[1])] if before else (),
        language=config.language,
    )
    for number, one in enumerate(made):
        path = output / f"object{number}.dcm"
        path.write_bytes(one.content)
        yield protocol.MadeFile(
            kind=one.kind,
            sop_class_uid=one.sop_class_uid,
            sop_instance_uid=one.sop_instance_uid,
            series_instance_uid=one.series_instance_uid,
            file=str(path),
        )


def _fetch(job: protocol.Job, config: Config, channel: Channel) -> Study:
    channel.progress("fetch", 0.0)
    seen = SeenStudy(
        key=job.study_key,
        archive=config.orthanc.name,
        orthanc_id=job.orthanc_id,
        study_instance_uid=job.study_instance_uid,
    )
    folder = Path(job.output) / "study"
    folder.mkdir()
    orthanc = Orthanc(config.orthanc)
    try:
        return fetch_study(orthanc, seen, folder)
    finally:
        orthanc.close()


def _analyse(
    application: Application,
    study: Study,
    selection: Selection,
    context: Context,
    output: Path,
    channel: Channel,
) -> tuple[Findings, list[Picture]]:
    started = time.monotonic()
    findings = application.analyse(study, selection, context)
    channel.progress("pictures", 0.9)
    pictures = application.pictures(study, findings)
    (output / "findings.json").write_text(findings.model_dump_json(), encoding="utf-8")
    (output / "pictures.npz").write_bytes(pack_pictures(pictures))
    channel.send(protocol.Found(seconds=time.monotonic() - started))
    return findings, pictures


def _scaled(channel: Channel) -> Progress:
    """Progress of the analysis as a part of the whole."""
    return lambda step, share: channel.progress(step, 0.15 + 0.75 * min(max(share, 0.0), 1.0))


def _place(error: Exception) -> str:
    """What went wrong and where; never a value, which may be a patient's."""
    if isinstance(error, GranskError):
        return f"{type(error).__name__}: {error}"
    frames = traceback.extract_tb(error.__traceback__)
    last = frames[-1] if frames else None
    where = f" in {Path(last.filename).name}:{last.lineno}" if last else ""
    return f"{type(error).__name__}{where}"


def _die_with_parent() -> None:
    """Ask the kernel to kill this process when its parent dies (Linux)."""
    ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def _limit_memory(megabytes: int, device: str) -> None:
    """Bound the private memory of this process.

    CUDA reserves address space far beyond what it uses, so there the worker's
    own watch on the memory held stands alone.
    """
    if device == "cpu":
        limit = megabytes * MB
        resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


if __name__ == "__main__":
    main()
