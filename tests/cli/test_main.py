"""The command's table: quick, lazy, and honest about what it does not know."""

from __future__ import annotations

import subprocess
import sys

import pytest
from typer.testing import CliRunner

import gransk
from gransk.cli.main import COMMANDS, app

runner = CliRunner()


def test_help_lists_every_command_without_importing_any():
    code = (
        "import sys; from gransk.cli.main import app\n"
        "try: app(['--help'])\n"
        "except SystemExit: pass\n"
        "heavy = {'numpy', 'fastapi', 'dbos', 'onnxruntime', 'sqlalchemy'} & set(sys.modules)\n"
        "sys.exit(str(heavy) if heavy else 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    for name, (_, _, text) in COMMANDS.items():
        assert name in done.stdout
        assert text.split(".")[0] in done.stdout


def test_analyse_loads_no_server():
    code = (
        "import sys; import gransk.cli.analyse\n"
        "heavy = {'fastapi', 'dbos', 'sqlalchemy', 'uvicorn'} & set(sys.modules)\n"
        "sys.exit(str(heavy) if heavy else 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("name", list(COMMANDS))
def test_every_command_has_help(name):
    result = runner.invoke(app, [name, "--help"])
    assert result.exit_code == 0, result.output
    assert "Usage" in result.output


def test_version_and_wrong_use():
    assert runner.invoke(app, ["--version"]).output.strip() == f"gransk {gransk.__version__}"
    assert runner.invoke(app, ["no-such-command"]).exit_code == 2
    assert runner.invoke(app, ["analyse"]).exit_code == 2
