"""``gransk models``: what models are installed, and whether they are what they claim."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from gransk.core.application import model_folder
from gransk.core.errors import ModelError
from gransk.core.models import ModelLibrary

app = typer.Typer(no_args_is_help=True, add_completion=False, rich_markup_mode=None,
                  help="List and verify the models.")  # fmt: skip

Folder = Annotated[
    Path | None, typer.Option("--folder", help="Folder of models; default: the shipped ones.")
]


@app.command("list")
def list_models(folder: Folder = None) -> None:
    """One line a model: id, version, SHA-256, research use, task."""
    library = ModelLibrary(folder or model_folder())
    for model_id in _ids(library):
        try:
            card = library.card(model_id)
        except ModelError as error:
            typer.echo(f"{model_id}  UNUSABLE  {error}")
            continue
        use = "research" if card.research else "clinical"
        typer.echo(f"{card.id}  {card.version}  {card.sha256}  {use}  {card.task}")


@app.command("verify")
def verify_models(folder: Folder = None) -> None:
    """Load every model: hash, card and contract. Exit 1 where one fails."""
    library = ModelLibrary(folder or model_folder())
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
