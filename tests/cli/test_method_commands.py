"""Commands of other packages: found by their entry points, shown apart, and harmless when they are broken."""

import subprocess
import sys
import textwrap

import pytest

from editmetrics import cli
from editmetrics.cli import CORE, METHODS
from editmetrics.diagnosis import Diagnosis
from editmetrics.diagnosis import commands as diagnose_commands

MODULE = """
import click
from editmetrics.command_line import device_option, quiet_option

@click.command()
@click.argument("name")
@device_option
@quiet_option
def greet(name, device, quiet):
    "Say hello."
    click.echo(f"hello {name} on {device}")

def plain(): ...
"""


@pytest.fixture
def install(tmp_path, monkeypatch):
    """Put a package with entry points on the path: `install("acme", greet="acme_commands:greet")`."""
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))

    def put(package, source=MODULE, **points):
        (tmp_path / f"{package}_commands.py").write_text(source)
        metadata = tmp_path / f"{package}-1.2.dist-info"
        metadata.mkdir()
        (metadata / "METADATA").write_text(
            f"Metadata-Version: 2.1\nName: {package}\nVersion: 1.2\nSummary: Greetings of {package}\n"
        )
        lines = [f"{name} = {value}" for name, value in points.items()]
        (metadata / "entry_points.txt").write_text("\n".join(["[editmetrics.commands]", *lines, ""]))
        cli._registered.cache_clear()

    yield put
    cli._registered.cache_clear()
    for package in ("acme", "other"):
        sys.modules.pop(f"{package}_commands", None)


def diagnosed_commands():
    """What `doctor` finds of commands."""
    diagnosis = Diagnosis()
    diagnose_commands(diagnosis)
    return diagnosis


def test_a_plugins_command_is_listed_apart_and_runs(run, install):
    install("acme", greet="acme_commands:greet")
    own, apart = run("--help").out.split("Commands of single methods:")
    assert "greet" not in own
    assert "acme 1.2: Greetings of acme" in apart
    assert all(name in apart for name in METHODS)
    assert "acme_commands" not in sys.modules
    assert run("greet", "Ada", "--device", "cpu").out == "hello Ada on cpu\n"


@pytest.mark.parametrize(
    ("source", "value", "reason"),
    [
        ("import nowhere", "acme_commands:greet", "cannot be imported: ModuleNotFoundError"),
        ("raise SystemExit(3)", "acme_commands:greet", "cannot be imported: SystemExit: 3"),
        (MODULE, "acme_commands:absent", "cannot be imported: AttributeError"),
        (MODULE, "acme_commands:plain", "is a function; expected a click command"),
    ],
)
def test_a_broken_command_says_why_and_breaks_no_other(run, install, source, value, reason):
    install("acme", source, greet=value)
    ran = run("greet", "Ada")
    assert ran.code == 2
    assert "the command greet of acme 1.2 cannot be used" in ran.err
    assert reason in ran.err
    assert run("info", "psnr").code == 0
    assert run("--help").code == 0
    diagnosis = diagnosed_commands()
    (command,) = diagnosis.commands
    assert (command["name"], command["package"]) == ("greet", "acme 1.2")
    assert reason in command["broken"]
    assert any("the command greet of acme 1.2 cannot be used" in problem for problem in diagnosis.problems)


@pytest.mark.parametrize("name", ["score", "lsa"])
def test_a_plugin_replaces_no_built_in_command(run, install, name):
    install("acme", **{name: "acme_commands:greet"})
    assert "Say hello" not in run(name, "--help").out
    assert "Greetings" not in run("--help").out
    (command,) = diagnosed_commands().commands
    assert "is that of a built-in command" in command["broken"]


def test_two_packages_with_one_command_are_both_refused(run, install):
    install("acme", greet="acme_commands:greet")
    install("other", greet="other_commands:greet")
    ran = run("greet", "Ada")
    assert ran.code == 2
    assert "acme 1.2" in ran.err
    assert "other 1.2" in ran.err
    assert "uninstall all but one" in ran.err


def test_a_misspelt_command_of_a_plugin_is_suggested(run, install):
    install("acme", greet="acme_commands:greet")
    assert "Did you mean 'greet'?" in run("greeet").err


@pytest.mark.parametrize("table", [CORE, METHODS])
def test_every_command_of_the_tables_exists(table):
    assert all(cli.load(name).name == name for name in table)


def test_help_imports_no_command():
    code = """
        import sys
        from editmetrics.cli import cli
        cli(["--help"], standalone_mode=False)
        print([name for name in sys.modules if name.startswith(("editmetrics.plugins", "editmetrics.cli.score"))
               or name in ("torch", "numpy", "rich", "importlib.metadata")])
    """
    done = subprocess.run([sys.executable, "-c", textwrap.dedent(code)], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"
