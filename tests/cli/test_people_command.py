"""``gransk people``, ``token`` and ``config`` as an administrator uses them."""

import pytest
from sqlalchemy import select
from typer.testing import CliRunner

from gransk.cli.config import app as config_app
from gransk.cli.people import people_app, token_app
from gransk.site import people
from gransk.site.config import load_config
from gransk.site.database import Database
from gransk.site.tables import Event


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "gransk.yaml"
    path.write_text("language: da\n")
    return path


@pytest.fixture
def call(path):
    def call(app, *arguments):
        return CliRunner().invoke(app, [*arguments, "--config", str(path)])

    return call


def token_in(outcome):
    assert outcome.exit_code == 0, outcome.output
    address = outcome.stdout.splitlines()[0]
    assert address.startswith("http://127.0.0.1:8600/start?token=")
    return address.split("=", 1)[1]


def test_an_account_from_link_to_end(call, path):
    token = token_in(call(people_app, "add", "bo", "Bo Ærø", "--role", "nurse"))
    database = Database(load_config(path).database.url)
    with database.begin() as session:
        signed = people.use_link(session, token, "blå kaffe og brød", 1)
        assert signed.account.language == "da"
    listed = call(people_app, "list").stdout
    assert "Bo Ærø" in listed
    assert "active" in listed
    assert call(people_app, "roles", "bo", "--role", "arbiter").exit_code == 0
    assert call(people_app, "deactivate", "bo").exit_code == 0
    assert "deactivated" in call(people_app, "list").stdout
    assert call(people_app, "link", "bo").exit_code == 1
    assert call(people_app, "activate", "bo").exit_code == 0
    with database.read() as session:
        actors = set(session.scalars(select(Event.actor)))
    assert any(actor.startswith("shell:") for actor in actors)
    database.close()


def test_the_first_administrators_link(call, path):
    token = token_in(call(people_app, "link"))
    database = Database(load_config(path).database.url)
    with database.begin() as session:
        people.use_first_link(session, token, "root", "Rita", "blå kaffe og brød", 1)
    database.close()
    refused = call(people_app, "link")
    assert refused.exit_code == 1
    assert "there is an administrator" in refused.stderr
    assert call(people_app, "deactivate", "root").exit_code == 1


@pytest.mark.parametrize(
    "arguments",
    [
        ("add", "b", "Bo", "--role", "nurse"),
        ("add", "bo", "", "--role", "nurse"),
        ("add", "bo", "Bo", "--role", "nurse", "--language", "fr"),
        ("link", "nobody"),
        ("deactivate", "nobody"),
    ],
)
def test_mistakes_are_explained(call, arguments):
    outcome = call(people_app, *arguments)
    assert outcome.exit_code == 1
    assert "got" in outcome.stderr
    assert "wants" in outcome.stderr
    assert "Traceback" not in outcome.output


def test_machine_tokens(call, path):
    made = call(token_app, "add", "ct1")
    token = made.stdout.strip()
    database = Database(load_config(path).database.url)
    with database.read() as session:
        assert people.machine_of(session, token).name == "ct1"
    assert call(token_app, "revoke", "ct1").exit_code == 0
    with database.read() as session:
        assert people.machine_of(session, token) is None
    database.close()
    assert "revoked" in call(token_app, "list").stdout
    assert call(token_app, "revoke", "nobody").exit_code == 1


def test_config_check_and_show(call, path):
    assert "good" in call(config_app, "check").stdout
    assert "language: da" in call(config_app, "show").stdout
    assert call(config_app, "versions").exit_code == 0
    assert call(config_app, "versions", "--number", "7").exit_code == 1
    path.write_text("langauge: da\n")
    outcome = call(config_app, "check")
    assert outcome.exit_code == 1
    assert "did you mean 'language'?" in outcome.stderr
    path.write_text("applications: {nodule: {smallest: 3}}\n")
    outcome = call(config_app, "check")
    assert outcome.exit_code == 1
    assert "applications.nodule: smallest: unknown key" in outcome.stderr


def test_a_locked_administrator_is_let_in_from_the_shell(call, path):
    path.write_text("language: da\nsign_in: {lock_after: 3, lock_minutes: 0}\n")
    token = token_in(call(people_app, "link"))
    config = load_config(path)
    database = Database(config.database.url)
    with database.begin() as session:
        inside = people.use_first_link(session, token, "root", "Rita", "blå kaffe og brød", 1)
    for _ in range(3):
        with pytest.raises(people.SignInError):
            people.sign_in(database, "root", "wrong", 1, config.password_rules)
    assert "locked" in call(people_app, "list").stdout
    assert call(people_app, "unlock", "root").exit_code == 0
    people.sign_in(database, "root", "blå kaffe og brød", 1, config.password_rules)
    assert call(people_app, "sign-out", "root").exit_code == 0
    with database.read() as session:
        assert people.session_of(session, inside.token) is None
    database.close()
    assert call(people_app, "unlock", "nobody").exit_code == 1


SINGLE_SIGN_ON = """
single_sign_on:
  issuer: https://id.example
  client_id: gransk
  client_secret_variable: GRANSK_SECRET
  local_passwords: administrators
"""


def test_whom_the_provider_lets_in_gets_no_link(call, path):
    path.write_text(SINGLE_SIGN_ON)
    assert call(people_app, "add", "bo", "Bo", "--role", "nurse").stdout == ""
    refused = call(people_app, "link", "bo")
    assert refused.exit_code == 1
    assert "signs in by password" in refused.stderr
    database = Database(load_config(path).database.url)
    with database.begin() as session:
        people.find_account(session, "bo").identity = "f" * 64
    assert "single sign-on" in call(people_app, "list").stdout
    assert call(people_app, "unlink", "bo").exit_code == 0
    with database.read() as session:
        assert people.find_account(session, "bo").identity is None
    database.close()
