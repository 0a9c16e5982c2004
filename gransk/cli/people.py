"""``gransk people`` and ``gransk token``: who may sign in, and which machines may call."""

from __future__ import annotations

import getpass
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table
from sqlalchemy.orm import Session

from gransk.cli.options import ConfigOption, config_path
from gransk.core.errors import GranskError, InvalidValueError
from gransk.site import identities, lockout, people, sessions
from gransk.site.config import Config, load_config
from gransk.site.database import Database
from gransk.site.migrate import open_database
from gransk.site.tables import Account, Role

people_app = typer.Typer(add_completion=False, rich_markup_mode=None, no_args_is_help=True,
                         help="Accounts, roles and sign-in links.")  # fmt: skip
token_app = typer.Typer(add_completion=False, rich_markup_mode=None, no_args_is_help=True,
                        help="Tokens for machines.")  # fmt: skip

Name = Annotated[str, typer.Argument(help="Account name.")]
Machine = Annotated[str, typer.Argument(help="The machine's name.")]
Roles = Annotated[list[Role], typer.Option("--role", help="One role; may be given again.")]


@people_app.command("add")
def add(
    name: Name,
    full_name: Annotated[str, typer.Argument(help="The person's name.")],
    role: Roles,
    language: Annotated[str | None, typer.Option(help="da or en; default: the site's.")] = None,
    config: ConfigOption = None,
) -> None:
    """Make an account and print the link with which its person chooses a password.

    No link is printed where the provider of single sign-on alone lets the person in.
    """
    with _site(config) as (site, database), database.begin() as session:
        account = people.create_account(
            session, name, full_name, role, language=language or site.language, actor=_actor()
        )
        rules = site.password_rules
        if people.uses_password(account, rules):
            token = people.sign_in_link(session, account, actor=_actor(), rules=rules)
            _print_link(site, token)


@people_app.command("list")
def list_people(config: ConfigOption = None) -> None:
    """Every account with its roles."""
    table = Table("name", "full name", "roles", "language", "state")
    with _site(config) as (site, database), database.read() as session:
        for account in people.list_accounts(session):
            table.add_row(
                account.name,
                account.full_name,
                ", ".join(account.roles),
                account.language,
                _state(account, site),
            )
    Console().print(table)


@people_app.command("link")
def link(
    name: Annotated[str | None, typer.Argument(help="Account; none: first administrator.")] = None,
    config: ConfigOption = None,
) -> None:
    """Print a one-time link: to choose a new password, or for the first administrator."""
    with _site(config) as (site, database), database.begin() as session:
        if name is None:
            token = people.first_administrator_link(session)
            if token is None:
                raise InvalidValueError("name", "nothing", "an account: there is an administrator")
        else:
            account, rules = _account(session, name), site.password_rules
            token = people.sign_in_link(session, account, actor=_actor(), rules=rules)
        _print_link(site, token)


@people_app.command("roles")
def roles(name: Name, role: Roles, config: ConfigOption = None) -> None:
    """Give an account these roles and no others; it must sign in again."""
    with _site(config) as (_, database), database.begin() as session:
        people.change_account(session, _account(session, name), roles=role, actor=_actor())


@people_app.command("deactivate")
def deactivate(name: Name, config: ConfigOption = None) -> None:
    """Shut an account out at once; what it did stays in the log."""
    with _site(config) as (_, database), database.begin() as session:
        people.set_active(session, _account(session, name), False, actor=_actor())


@people_app.command("activate")
def activate(name: Name, config: ConfigOption = None) -> None:
    """Let a deactivated account in again."""
    with _site(config) as (_, database), database.begin() as session:
        people.set_active(session, _account(session, name), True, actor=_actor())


@people_app.command("unlock")
def unlock(name: Name, config: ConfigOption = None) -> None:
    """Let an account in again that is locked after wrong passwords."""
    with _site(config) as (_, database), database.begin() as session:
        lockout.unlock(session, _account(session, name), actor=_actor())


@people_app.command("unlink")
def unlink(name: Name, config: ConfigOption = None) -> None:
    """Part an account from the person at the provider of single sign-on; its sessions end."""
    with _site(config) as (_, database), database.begin() as session:
        identities.unlink(session, _account(session, name), actor=_actor())


@people_app.command("sign-out")
def sign_out(name: Name, config: ConfigOption = None) -> None:
    """End every session of an account."""
    with _site(config) as (_, database), database.begin() as session:
        sessions.sign_out_everywhere(session, _account(session, name), actor=_actor())


@token_app.command("add")
def add_token(machine: Machine, config: ConfigOption = None) -> None:
    """Make a machine's token and print it, once."""
    with _site(config) as (_, database), database.begin() as session:
        token = people.create_token(session, machine, actor=_actor())
    typer.echo(token)
    typer.echo("Keep it now: it is shown this once.", err=True)


@token_app.command("list")
def list_tokens(config: ConfigOption = None) -> None:
    """Every machine and whether its token is good."""
    table = Table("name", "since (UTC)", "state")
    with _site(config) as (_, database), database.read() as session:
        for machine in people.list_tokens(session):
            since = machine.created_at.strftime("%Y-%m-%d %H:%M")
            table.add_row(machine.name, since, "active" if machine.active else "revoked")
    Console().print(table)


@token_app.command("revoke")
def revoke_token(machine: Machine, config: ConfigOption = None) -> None:
    """End a machine's token at once."""
    with _site(config) as (_, database), database.begin() as session:
        people.revoke_token(session, machine, actor=_actor())


@contextmanager
def _site(config: ConfigOption) -> Iterator[tuple[Config, Database]]:
    try:
        site = load_config(config_path(config))
        database = open_database(site)
        try:
            yield site, database
        finally:
            database.close()
    except GranskError as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(1) from error


def _account(session: Session, name: str) -> Account:
    account = people.find_account(session, name)
    if account is None:
        raise InvalidValueError("name", name, "the name of an account")
    return account


def _state(account: Account, site: Config) -> str:
    if not account.active:
        return "deactivated"
    if lockout.locked(account, site.password_rules):
        return "locked"
    if account.identity is not None:
        return "single sign-on"
    return "active" if account.password_hash else "invited"


def _actor() -> str:
    """Whoever sits at the console, told apart from accounts by the prefix."""
    return f"shell:{getpass.getuser()}"[:64]


def _print_link(site: Config, token: str) -> None:
    typer.echo(f"{site.service.public_url}/start?token={token}")
    typer.echo("It works once, for 24 hours.", err=True)
