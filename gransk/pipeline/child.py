"""The child process: fetches one study, analyses it and writes its objects.

Everything that touches images of unknown origin happens here, under a memory
limit, and dies with the worker. Its standard output is for messages alone.
"""

from __future__ import annotations

import errno
import os
import signal
import sys
import time
from pathlib import Path

from gransk.archive.orthanc import ArchiveUnavailableError, NotInArchiveError
from gransk.core.application import (
    Application,
    Context,
    Picture,
    Progress,
    Selection,
    applications,
)
from gransk.core.errors import DeviceError, RefusalError, UnreadableInputError
from gransk.core.findings import Findings
from gransk.core.keys import report_key, selection_key
from gransk.core.object_kinds import ObjectKind
from gransk.core.reasons import Reason
from gransk.core.study import Study
from gransk.pipeline import protocol
from gransk.pipeline.channel import Channel, place
from gransk.pipeline.choosing import Chosen, chosen
from gransk.pipeline.following import Follower, Told, fetch, named_pictures, told_bytes
from gransk.pipeline.observing import observed, regime_of
from gransk.results.dicom.kept import newest_report
from gransk.results.dicom.objects import MadeObject, Predecessor, make_objects
from gransk.results.pictures import pack_pictures, unpack_pictures
from gransk.site.child_process import die_with_parent, limit_memory, no_memory
from gransk.site.config import Config
from gransk.site.model_library import library_of
from gransk.site.overrides import matches

LEAST = 19
"""Niceness of work that everything else goes before."""


def main() -> None:
    """Do the one job that stands on standard input."""
    die_with_parent()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    channel = Channel(os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb"))
    os.dup2(2, 1)
    _load_applications()
    job = channel.job()
    os.chdir(job.output)
    config = Config.model_validate(job.config)
    limit_memory(int(sys.argv[1]), config.models.device)
    if job.beside is not None:
        # Nobody waits for it: the processor is its own only where no other work wants it.
        os.nice(LEAST)
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
        return _run(job, config, channel)
    except RefusalError as refusal:
        return protocol.Refused(reason=refusal.reason, detail=refusal.detail)
    except UnreadableInputError as error:
        return protocol.Refused(reason=Reason.UNREADABLE_FILE, detail=str(error))
    except ArchiveUnavailableError as error:
        return protocol.Unreachable(detail=str(error))
    except NotInArchiveError as error:
        return protocol.Missing(detail=str(error))
    except DeviceError as error:
        return protocol.NoDevice(detail=str(error))
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            return protocol.Unreachable(detail="no room on the disk for scratch files")
        return protocol.Broken(detail=place(error))
    except MemoryError:
        return protocol.Refused(reason=Reason.MEMORY_LIMIT, detail="no more memory was given")
    except Exception as error:  # noqa: BLE001 whatever it is, the queue goes on
        if no_memory(error) and config.models.device != "cpu":
            # The card's, which others may hold just now: no limit of the study's.
            return protocol.Broken(detail=f"no more memory of the card: {place(error)}")
        if no_memory(error):
            return protocol.Refused(reason=Reason.MEMORY_LIMIT, detail=type(error).__name__)
        return protocol.Broken(detail=place(error))


def _run(job: protocol.Job, config: Config, channel: Channel) -> protocol.Done:
    """Analyse, or take what is sealed; then the report with what stands beside the study."""
    output = Path(job.output)
    study = fetch(config, channel, job, output / "study", output / "reports")
    application = applications()[job.application]
    channel.progress("select", 0.1)
    verdict = application.accepts(study)
    if verdict is not None:
        raise RefusalError(verdict)
    if job.prior and _from_report(application, study, output, channel):
        return protocol.Done()
    found = chosen(
        application, study, job.settings, job.overrides, job.unit, job.programme, job.beside
    )
    settings, fired, selection = found.settings, found.fired, found.selection
    library = library_of(config, job.admitted)
    channel.progress("digest", 0.12)
    key = selection_key(application, selection, settings, library)
    context = Context(library, settings, _scaled(channel), key)
    shadows = _shadows(job, found)
    asked = protocol.Asked(analysis_key=key, overrides=fired, shadows=shadows)
    answer = channel.ask(asked, protocol.Answer)
    if answer.findings is not None and answer.pictures is not None:
        findings = Findings.model_validate_json(Path(answer.findings).read_bytes())
        pictures = unpack_pictures(Path(answer.pictures).read_bytes())
    else:
        findings, pictures = _analyse(application, study, selection, context, output, channel)
    if job.prior or job.beside is not None:
        return protocol.Done()
    channel.send(
        protocol.Observed(
            regime=regime_of(application, settings, library),
            facts=observed(application, study, selection, findings),
        )
    )
    told = Follower(job, config, channel, application, study, findings, context).tell()
    header = selection.instances[0].header
    extra = {"incomplete": job.incomplete, "language": config.language, **told.extra}
    if fired:
        extra["overrides"] = list(fired)
    return _report(
        job, config, channel, application, study, report_key(key, header, extra), told, pictures
    )


def _shadows(job: protocol.Job, found: Chosen) -> tuple[str, ...]:
    """Names of the shadows that are for the study."""
    facts = found.facts.of_images(found.selection.instances)
    return tuple(one.name for one in job.shadows if one.where is None or matches(one.where, facts))


def _from_report(application: Application, study: Study, output: Path, channel: Channel) -> bool:
    """Take an earlier study's findings from our own report in it; False where it has none."""
    found = newest_report(output / "reports", study, application.id)
    if found is None:
        return False
    answer = channel.ask(protocol.Asked(analysis_key=found.key), protocol.Answer)
    if answer.findings is None:
        _write_found(found.findings, [], output, channel, 0.0)
    return True


def _report(
    job: protocol.Job,
    config: Config,
    channel: Channel,
    application: Application,
    study: Study,
    named: str,
    told: Told,
    pictures: list[Picture],
) -> protocol.Done:
    """Write the objects of a report key, unless they are sealed already."""
    output = Path(job.output)
    known = channel.ask(protocol.Named(report_key=named), protocol.Known)
    if known.report:
        return protocol.Done()
    channel.progress("objects", 0.92)
    made = make_objects(
        study=study,
        findings=told.findings,
        presentation=application.presentation,
        pictures=[
            *named_pictures(pictures, told.tracking),
            *_of_added(application, study, told.findings),
        ],
        report_key=named,
        created=told.created.astimezone(config.zone),
        incomplete=job.incomplete,
        predecessors=[
            Predecessor(study.uid, series, sop_class, instance)
            for sop_class, instance, series in known.supersedes
        ],
        language=config.language,
        signature=told.signature,
        organization=config.organization,
        follow_up=told.follow_up,
        compared=told.pictures,
        text="" if told.follow_up is None else told.follow_up.text.get(config.language, ""),
    )
    follow_up = None
    if told.follow_up is not None:
        follow_up = str(output / "follow_up.json")
        Path(follow_up).write_bytes(told_bytes(told.follow_up))
    return protocol.Done(
        objects=tuple(_written(one, output, number) for number, one in enumerate(made)),
        follow_up=follow_up,
    )


def _of_added(application: Application, study: Study, findings: Findings) -> list[Picture]:
    """Pictures of what people added."""
    added = tuple(f for f in findings.findings if f.origin != "detector" and not f.rejected)
    if not added:
        return []
    return application.pictures(study, findings.model_copy(update={"findings": added}))


def _written(one: MadeObject, output: Path, number: int) -> protocol.MadeFile:
    path = output / f"object{number}.dcm"
    path.write_bytes(one.content)
    return protocol.MadeFile(
        kind=ObjectKind(one.kind),
        sop_class_uid=one.sop_class_uid,
        sop_instance_uid=one.sop_instance_uid,
        series_instance_uid=one.series_instance_uid,
        file=str(path),
    )


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
    _write_found(findings, pictures, output, channel, time.monotonic() - started)
    return findings, pictures


def _write_found(
    findings: Findings, pictures: list[Picture], output: Path, channel: Channel, seconds: float
) -> None:
    (output / "findings.json").write_text(findings.model_dump_json(), encoding="utf-8")
    (output / "pictures.npz").write_bytes(pack_pictures(pictures))
    channel.send(protocol.Found(seconds=seconds))


def _scaled(channel: Channel) -> Progress:
    """Progress of the analysis as a part of the whole."""
    return lambda step, share: channel.progress(step, 0.15 + 0.75 * min(max(share, 0.0), 1.0))


if __name__ == "__main__":
    main()
