"""The command ``gransk``: a table of commands, each imported when it is called."""

from __future__ import annotations

from importlib import import_module
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

import gransk

# Name: (module, attribute, help). The attribute is a Typer application or a function.
COMMANDS: dict[str, tuple[str, str, str]] = {
    "run": ("gransk.cli.run", "run", "Start Orthanc, the service and the viewer here."),
    "analyse": ("gransk.cli.analyse", "analyse", "Analyse DICOM files; print one JSON object."),
    "risk": ("gransk.cli.risk", "risk", "Calculate a risk model from a typed profile."),
    "phantom": ("gransk.cli.phantom", "phantom", "Write a synthetic chest CT, or check a result."),
    "programme": ("gransk.cli.programme", "programme", "Import exams' programmes from a CSV."),
    "outcomes": ("gransk.cli.outcomes", "outcomes", "Import what became of women from a CSV."),
    "policies": ("gransk.cli.policies", "app", "Policies of the reading room, and versions."),
    "calibrate": ("gransk.cli.calibrate", "calibrate", "Calibrate scores on a site's own exams."),
    "models": ("gransk.cli.models", "app", "List and verify the models."),
    "config": ("gransk.cli.config", "app", "Check and show the configuration."),
    "rules": ("gransk.cli.rules", "rules", "What the rules would do with a study."),
    "health": ("gransk.cli.health", "health", "Does the service answer, or a worker live?"),
    "audit": ("gransk.cli.audit", "app", "The event log: verify, export, send again."),
    "doctor": ("gransk.cli.doctor", "doctor", "Check everything an administrator would."),
    "backup": ("gransk.cli.backup", "backup", "Back up everything while it runs."),
    "restore": ("gransk.cli.backup", "restore", "Restore a backup onto an empty machine."),
    "retention": ("gransk.cli.retention", "app", "Remove what has had its time; hold studies."),
    "people": ("gransk.cli.people", "people_app", "Accounts, roles and sign-in links."),
    "token": ("gransk.cli.people", "token_app", "Tokens for machines."),
    "orthanc": ("gransk.cli.orthanc", "orthanc", "Run Orthanc as the configuration says."),
    "serve": ("gransk.cli.serve", "serve", "Run the service: intake, pages, delivery."),
    "worker": ("gransk.cli.worker", "worker", "Run a worker that analyses studies."),
    "route": ("gransk.cli.route", "route", "Send past reports to a destination added later."),
    "dead": ("gransk.cli.dead", "app", "See and re-run work that failed for good."),
}


class LazyGroup(TyperGroup):
    """Lists commands from the table and imports the one that is called.

    So ``gransk --help`` is quick, and ``gransk analyse`` loads no server.
    """

    def list_commands(self, ctx: Any) -> list[str]:
        """Names, in the order of the table."""
        return list(COMMANDS)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """A command's name and help, enough for a list of commands."""
        if cmd_name not in COMMANDS:
            return None
        return _as_command(cmd_name, _nothing, COMMANDS[cmd_name][2])

    def resolve_command(self, ctx: Any, args: list[str]) -> tuple[str | None, Any, list[str]]:
        """The real command that the arguments call."""
        name, command, rest = super().resolve_command(ctx, args)
        if name is None or command is None:
            return name, command, rest
        module, attribute, text = COMMANDS[name]
        return name, _as_command(name, getattr(import_module(module), attribute), text), rest


def _nothing() -> None:
    """Stands for a command in lists alone; it is never called."""


def _as_command(name: str, target: Any, text: str) -> Any:
    if isinstance(target, typer.Typer):
        command = typer.main.get_command(target)
        command.name = name
        return command
    single = typer.Typer(add_completion=False, rich_markup_mode=None)
    single.command(name=name, help=None if target.__doc__ and target is not _nothing else text)(
        target
    )
    return typer.main.get_command(single)


app = typer.Typer(
    cls=LazyGroup,
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    help="Gransk: AI as a colleague in the reading room, for Orthanc.",
)


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"gransk {gransk.__version__}")
        raise typer.Exit


@app.callback()
def _main(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    pass


if __name__ == "__main__":
    app()
