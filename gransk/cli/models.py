"""``gransk models``: what models are installed, and whether they are what they claim."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from gransk.cli import rerun
from gransk.cli.options import SiteConfigOption, model_library
from gransk.core.errors import ConfigurationError, ModelError
from gransk.core.models import ModelLibrary

app = typer.Typer(invoke_without_command=True, add_completion=False, rich_markup_mode=None)

Folder = Annotated[
    Path | None, typer.Option("--folder", help="Folder of models; default: the configuration's.")
]


app.command("rerun")(rerun.rerun)
app.command("stop")(rerun.stop)


@app.callback()
def _main(context: typer.Context, folder: Folder = None, config: SiteConfigOption = None) -> None:
    """List and verify the models; without a command, list them."""
    if context.invoked_subcommand is None:
        _list(_library(context))


@app.command("list")
def list_models(
    context: typer.Context, folder: Folder = None, config: SiteConfigOption = None
) -> None:
    """One line a model: id, version, SHA-256, research use, task."""
    _list(_library(context))


@app.command("verify")
def verify_models(
    context: typer.Context, folder: Folder = None, config: SiteConfigOption = None
) -> None:
    """Load every model: hash, card and contract. Exit 1 where one fails."""
    library = _library(context)
    failed = 0
    for model_id in _ids(library):
        try:
            library.load(model_id)
        except ModelError as error:
            failed += 1
            typer.echo(f"{model_id}: FAILED: {error}", err=True)
        else:
            typer.echo(f"{model_id}: ok")
    raise typer.Exit(1 if failed else 0)


def _list(library: ModelLibrary) -> None:
    for model_id in _ids(library):
        try:
            card = library.card(model_id)
        except ModelError as error:
            typer.echo(f"{model_id}  UNUSABLE  {error}")
            continue
        use = "research" if card.research else "clinical"
        typer.echo(f"{card.id}  {card.version}  {card.sha256}  {use}  {card.task}")


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
