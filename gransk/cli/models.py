"""``gransk models``: which there are, whether they are what they claim, and the site's registry."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer

from gransk.cli import rerun
from gransk.cli.options import (
    ConfigOption,
    SiteConfigOption,
    config_path,
    model_library,
    shell_name,
)
from gransk.core.errors import ConfigurationError, GranskError, ModelError
from gransk.core.models import ModelLibrary
from gransk.registry.admission import Admission
from gransk.registry.checks import Result
from gransk.registry.choice import used_by
from gransk.registry.evidence import figures_of
from gransk.registry.refusals import RegistryError
from gransk.registry.stages import Evidence, add_evidence, one, propose, registered
from gransk.registry.tables import EvidenceKind, Source, Stage
from gransk.results.blobs import BlobStore
from gransk.site.config import Config, load_config
from gransk.site.database import Database
from gransk.site.migrate import SchemaState, open_database, schema_state
from gransk.web.texts import text

app = typer.Typer(invoke_without_command=True, add_completion=False, rich_markup_mode=None)

Folder = Annotated[
    Path | None, typer.Option("--folder", help="Folder of models; default: the configuration's.")
]
NameArgument = Annotated[str, typer.Argument(help="The model: id@version.")]
ReasonOption = Annotated[str, typer.Option(help="Why.")]
FiguresOption = Annotated[
    Path | None, typer.Option(help="JSON object with figures, kept as evidence.")
]
FileOption = Annotated[Path | None, typer.Option(help="A file, kept as evidence.")]


app.command("rerun")(rerun.rerun)
app.command("stop")(rerun.stop)


@app.callback()
def _main(context: typer.Context, folder: Folder = None, config: SiteConfigOption = None) -> None:
    """List and verify the models; without a command, list them."""
    if context.invoked_subcommand is None:
        _list(context)


@app.command("list")
def list_models(
    context: typer.Context, folder: Folder = None, config: SiteConfigOption = None
) -> None:
    """One line a model: id, version, SHA-256, research use, task; stages with ``--config``."""
    _list(context)


@app.command("verify")
def verify_models(
    context: typer.Context, folder: Folder = None, config: SiteConfigOption = None
) -> None:
    """Load every model: hash, card and contract. Exit 1 where one fails."""
    library = _library(context)
    failed = 0
    for model_id in [*_ids(library), *library.admitted_names()]:
        try:
            library.load(model_id)
        except ModelError as error:
            failed += 1
            typer.echo(f"{model_id}: FAILED: {error}", err=True)
        else:
            typer.echo(f"{model_id}: ok")
    raise typer.Exit(1 if failed else 0)


@app.command("admit")
def admit(
    path: Annotated[Path, typer.Argument(help="Folder or zip with card.yaml and its files.")],
    config: ConfigOption = None,
) -> None:
    """Check a model and admit it as a candidate. Exit 1 where it is refused."""
    with _site(config) as (site, database):
        if not path.exists():
            raise ConfigurationError(f"{path} does not exist; name a folder or zip")
        attempt = Admission(site, database).admit(path, Source.SHELL, shell_name())
    for result in map(Result.model_validate, attempt.results):
        said = "ok" if result.passed else "not done"
        if result.fault is not None:
            said = f"FAILED: {text(f'model_fault_{result.fault.value}', 'en')}"
        typer.echo(f"{result.check.value}: {said}{f' ({result.detail})' if result.detail else ''}")
    if not attempt.admitted:
        typer.echo(f"refused: attempt {attempt.number}", err=True)
        raise typer.Exit(1)
    typer.echo(f"{attempt.model} is a candidate")


@app.command("stage")
def stage(
    name: NameArgument,
    to: Annotated[Stage, typer.Argument(help="The stage to move it to.")],
    reason: ReasonOption,
    figures: FiguresOption = None,
    file: FileOption = None,
    config: ConfigOption = None,
) -> None:
    """Move a model to another stage; to active it is proposed, and approved on its page."""
    with _site(config) as (site, database):
        pieces = _pieces(site, figures, file)
        with database.begin() as session:
            used = used_by(session, site, name)
            step = propose(session, name, to, shell_name(), reason, pieces, used)
        done = "awaits approval as" if step.row.wants_approval else "is"
        typer.echo(f"{name} {done} {to.value}")


@app.command("evidence")
def evidence(
    name: NameArgument,
    figures: FiguresOption = None,
    file: FileOption = None,
    config: ConfigOption = None,
) -> None:
    """Keep evidence with a model's last step; without any, tell every step with its evidence."""
    with _site(config) as (site, database):
        pieces = _pieces(site, figures, file)
        with database.begin() as session:
            if pieces:
                add_evidence(session, name, shell_name(), pieces)
            found = one(session, name)
        for step in found.steps:
            stands = "" if step.stands else "  open" if step.open else "  turned down"
            at = step.row.at.strftime("%Y-%m-%d %H:%M")
            typer.echo(f"{step.stage.value}  {at}  {step.row.author}  {step.row.reason}{stands}")
            if step.verdict is not None:
                said = "approved" if step.verdict.approved else "turned down"
                typer.echo(f"  {said} by {step.verdict.author}  {step.verdict.reason}")
            for piece in step.evidence:
                told = json.dumps(piece.content) if piece.content else piece.title
                typer.echo(f"  {piece.kind}: {told}")


def _list_admitted(path: Path | None) -> None:
    """Admitted models with their stage, where the database is of this release."""
    with _site(path, upgrades=False) as (_, database):
        if schema_state(database) is not SchemaState.CURRENT:
            return
        with database.read() as session:
            for found in registered(session):
                card = found.card
                use = "research" if card.research else "clinical"
                typer.echo(f"{card.name}  {found.stage.value}  {card.sha256}  {use}  {card.task}")


def _pieces(site: Config, figures: Path | None, file: Path | None) -> list[Evidence]:
    pieces = []
    try:
        if figures is not None:
            found = figures_of(figures.read_text(encoding="utf-8"))
            pieces.append(Evidence(EvidenceKind.FIGURES, figures.name, found))
        if file is not None:
            stored = BlobStore(site.blob_folder).put(file.read_bytes())
            pieces.append(Evidence(EvidenceKind.FILE, file.name, {}, stored))
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"evidence cannot be read: {error}") from error
    return pieces


@contextmanager
def _site(config: Path | None, upgrades: bool = True) -> Iterator[tuple[Config, Database]]:
    """The site and its database; what goes wrong is told, and ends the command with 1."""
    try:
        site = load_config(config_path(config))
        database = open_database(site) if upgrades else Database(site.database.url)
        try:
            yield site, database
        finally:
            database.close()
    except RegistryError as error:
        said = text(f"model_refusal_{error.refusal.value}", "en")
        typer.echo(f"{said} ({error.detail})" if error.detail else said, err=True)
        raise typer.Exit(1) from error
    except GranskError as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(1) from error


def _list(context: typer.Context) -> None:
    library = _library(context)
    for model_id in _ids(library):
        try:
            card = library.card(model_id)
        except ModelError as error:
            typer.echo(f"{model_id}  UNUSABLE  {error}")
            continue
        use = "research" if card.research else "clinical"
        typer.echo(f"{card.id}  {card.version}  {card.sha256}  {use}  {card.task}")
    if library.admitted_names():
        _list_admitted(_given(context, "config"))


def _library(context: typer.Context) -> ModelLibrary:
    """Of the folder that is named, else of the configuration, else the shipped one."""
    folder: Path | None = _given(context, "folder")
    if folder is not None:
        return ModelLibrary(folder)
    try:
        return model_library(_given(context, "config"))
    except ConfigurationError as error:
        typer.echo(f"gransk models: {error}", err=True)
        raise typer.Exit(2) from error


def _given(context: typer.Context, name: str) -> Any:
    """An option, whether it stands before or after the command's name."""
    for level in (context, context.parent):
        source = level.get_parameter_source(name) if level else None
        if level and source and source.name == "COMMANDLINE":
            return level.params[name]
    return context.params[name]


def _ids(library: ModelLibrary) -> list[str]:
    try:
        ids = library.ids()
    except ModelError as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(1) from error
    if not ids:
        typer.echo(f"no model in {library.folder}", err=True)
        raise typer.Exit(1)
    return ids
