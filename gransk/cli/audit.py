"""``gransk audit``: is the event log whole, and what does it hold of one patient?"""

from __future__ import annotations

import getpass
import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from gransk.archive.tables import SeenStudy
from gransk.cli.options import ConfigOption, config_path
from gransk.core.errors import ConfigurationError, GranskError
from gransk.oversight.audit import checking, export
from gransk.oversight.audit.sending import send_again
from gransk.oversight.doctor import file_missing
from gransk.site.anchor import FILE
from gransk.site.config import Config, load_config
from gransk.site.database import Database
from gransk.site.migrate import SchemaState, schema_state

app = typer.Typer(add_completion=False, rich_markup_mode=None, no_args_is_help=True,
                  help="The event log: verify, export, send again.")  # fmt: skip
BROKEN, WRONG = 1, 2
"""Exit codes: the log or what it vouches for does not hold; it could not be looked at."""


@app.command("verify")
def verify(
    anchor: Annotated[
        list[Path] | None, typer.Option(help=f"A copy of {FILE} that was kept elsewhere.")
    ] = None,
    config: ConfigOption = None,
) -> None:
    """Walk the whole chain of events. Exit 0: whole; 1: not; 2: could not be looked at."""
    try:
        site, database = _open(config)
        noted = checking.notes(site.data_folder, anchor or ())
        with database.read() as session:
            found = checking.check(session, noted)
        database.close()
    except GranskError as error:
        typer.echo(f"gransk audit: {error}", err=True)
        raise typer.Exit(WRONG) from error
    for line in _lines(found):
        typer.echo(line)
    if not found.whole:
        raise typer.Exit(BROKEN)


def _lines(found: checking.Checked) -> list[str]:
    """What was found, a line each."""
    lines = []
    if found.broken is None:
        lines.append(f"chain: whole, {found.count} events, last hash {found.hash}")
    else:
        lines.append(
            f"chain: BROKEN at event {found.broken}: it is missing, was changed, or is another "
            "than was noted; events before it hold"
        )
    for note in found.notes:
        stands = "does not hold it" if note is found.cut else "holds it"
        lines.append(f"note {note.file}: event {note.anchor.number}: the log {stands}")
    if not found.notes:
        lines.append(f"note: none; without {FILE} a log whose end was cut off seems whole")
    if found.settings:
        named = ", ".join(map(str, found.settings))
        lines.append(f"settings: BROKEN: version {named} is not what the log says was recorded")
    else:
        lines.append("settings: every version is what the log says was recorded")
    if found.guards:
        lines.append(f"guards: MISSING in the database: {', '.join(found.guards)}")
    else:
        lines.append("guards: the database refuses changes of what is append-only")
    return lines


@app.command("export")
def export_entries(
    patient: Annotated[str, typer.Option(help="Patient ID.")] = "",
    issuer: Annotated[str, typer.Option(help="Issuer of Patient ID; any without it.")] = "",
    study: Annotated[str, typer.Option(help="Key of a study.")] = "",
    form: Annotated[str, typer.Option("--format", help="jsonl or csv.")] = "jsonl",
    out: Annotated[Path | None, typer.Option(help="A new file; standard output without.")] = None,
    config: ConfigOption = None,
) -> None:
    """Write the entries of one patient or study, in order; this is itself recorded."""
    try:
        if bool(patient.strip()) == bool(study.strip()):
            raise ConfigurationError("name either --patient or --study")
        if form not in export.FORMS:
            raise ConfigurationError(f"--format: got {form!r}, wants jsonl or csv")
        _, database = _open(config)
        with database.begin() as session:
            if study and session.get(SeenStudy, study) is None:
                raise ConfigurationError(f"--study: {study} is no study here; see the event log")
            found = (
                export.of_study(session, study)
                if study
                else export.of_patient(session, (patient.strip(), issuer.strip()))
            )
            _write(out, found.written(form))
            export.note_exported(session, f"shell:{getpass.getuser()}", found, form)
        database.close()
    except GranskError as error:
        typer.echo(f"gransk audit: {error}", err=True)
        raise typer.Exit(WRONG) from error
    typer.echo(f"{len(found.events)} events of {len(found.keys)} studies", err=True)


@app.command("resend")
def resend(
    first: Annotated[int, typer.Argument(help="Number of the first event to send.", min=1)],
    config: ConfigOption = None,
) -> None:
    """Send the audit repository events again, from one number on."""
    try:
        _, database = _open(config)
        with database.begin() as session:
            count = send_again(session, first)
        database.close()
    except GranskError as error:
        typer.echo(f"gransk audit: {error}", err=True)
        raise typer.Exit(WRONG) from error
    typer.echo(f"{count} events are to be sent")


def _open(config: Path | None) -> tuple[Config, Database]:
    """The site's database as it is: looking at it upgrades nothing.

    Raises
    ------
    ConfigurationError
        Where it is not there or of another version.
    """
    site = load_config(config_path(config))
    if file_missing(site.database.url):
        raise ConfigurationError(
            "database.url: the database is not there: start the service once, or set data_folder"
        )
    database = Database(site.database.url)
    state = schema_state(database)
    if state is not SchemaState.CURRENT:
        raise ConfigurationError(
            f"the database's tables are {state.value}: start the service of this version first"
        )
    return site, database


def _write(out: Path | None, content: bytes) -> None:
    if out is None:
        sys.stdout.buffer.write(content)
        sys.stdout.flush()
        return
    try:
        with os.fdopen(os.open(out, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(content)
    except OSError as error:
        raise ConfigurationError(
            f"--out: {out} cannot be written ({error.strerror}); name a new file"
        ) from error
