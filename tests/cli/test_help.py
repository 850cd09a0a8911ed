"""Help that fits the terminal, commands and options in sections, `help`, and what a shell completes."""

import os
import subprocess
import sys

import click
import pytest

from editmetrics.checkpoints import registry_file
from editmetrics.cli import CORE, METHODS, SECTIONS, cli
from editmetrics.command_line.sections import SectionedCommand, section_of
from tests.test_words import COMMANDS

ROOT = registry_file().parent


def help_of(command, name="x", width=80):
    root = cli.context_class(cli, info_name="editmetrics", terminal_width=width, show_default=True)
    return command.get_help(command.context_class(command, info_name=name, parent=root, terminal_width=width))


def test_every_command_stands_in_one_section(run):
    assert sorted(name for names in SECTIONS.values() for name in names) == sorted(CORE)
    out = run("--help").out
    assert [line.split()[0] for line in out.split("offline")[0].splitlines()[-2:]] == ["score", "report"]
    assert out.index("Score images:") < out.index("Find a metric:") < out.index("Commands of single methods:")


@pytest.mark.parametrize("name", COMMANDS)
def test_help_fits_eighty_columns_and_many_options_have_sections(name):
    command = COMMANDS[name]
    text = help_of(command, name)
    urls = ("completions/editmetrics",)
    assert not [line for line in text.splitlines() if len(line) > 80 and not line.endswith(urls)]
    options = [parameter for parameter in command.params if isinstance(parameter, click.Option)]
    if len(options) >= 10:
        assert isinstance(command, SectionedCommand)
        headings = {section_of(max(option.opts, key=len)) for option in options}
        assert all(f"\n{heading}:\n" in text for heading in headings)
        assert "PATHS]..." not in text.partition("PATHS are")[2]
    else:
        assert "\nOptions:\n" in text
    assert all(max(option.opts, key=len) in text for option in options)


def test_help_of_commands_and_of_metrics(run):
    assert run("help").out == run("--help").out
    assert run("help", "weights", "pull").out == run("weights", "pull", "--help").out
    assert run("help", "psnr").out == run("info", "psnr").out
    assert run("help", "pie-bench").out == run("info", "pie-bench").out
    ran = run("help", "weights", "pul")
    assert ran.code == 2
    assert "Did you mean 'pull'?" in ran.err


def completed(words, position):
    """The completions for bash, whose words are `words` parted as bash does; `position` is that of the cursor."""
    variables = {"_EDITMETRICS_COMPLETE": "bash_complete", "COMP_WORDS": words, "COMP_CWORD": str(position)}
    command = [sys.executable, "-m", "editmetrics"]
    ran = subprocess.run(command, env={**os.environ, **variables}, capture_output=True, text=True, check=True, cwd=ROOT)
    return [line.partition(",")[2] for line in ran.stdout.splitlines()]


@pytest.mark.parametrize(
    ("words", "position", "expected"),
    [
        ("editmetrics sc", 1, ["score"]),
        ("editmetrics score a b -m ms", 5, ["ms_ssim", "mse"]),
        ("editmetrics score -m psnr : region = out", 7, ["outside"]),
        ("editmetrics score -m ds_ieqa : weights =", 6, ["toy"]),
        ("editmetrics score --suite p", 3, ["pie-bench"]),
        ("editmetrics weights pull lpips-v", 3, ["lpips-vgg16"]),
        ("editmetrics list --needs source,pr", 3, ["source,prompt"]),
        ("editmetrics help choo", 2, ["choose"]),
        ("editmetrics fit ds", 2, ["ds_ieqa"]),
        ("editmetrics info pie-", 2, ["pie-bench"]),
        ("editmetrics choose back", 2, ["background"]),
    ],
)
def test_a_shell_completes(words, position, expected):
    assert completed(words, position) == expected


def test_completing_imports_nothing_heavy():
    code = (
        "import sys, editmetrics.cli;"
        "from editmetrics.command_line.completion import metric_names, suite_names;"
        "metric_names(None, None, 'psnr:'); suite_names(None, None, '');"
        "print({'torch', 'pydantic', 'rich', 'numpy', 'transformers'} & sys.modules.keys())"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert ran.stdout.strip() == "set()"


@pytest.mark.parametrize("shell", ["zsh", "fish"])
def test_scripts_of_shells_call_this_program(run, shell):
    script = run("completion", shell).out
    assert f"_EDITMETRICS_COMPLETE={shell}_complete" in script
    assert run("completion", "csh").code == 2


def test_methods_have_sections_too():
    assert all(isinstance(COMMANDS[name], SectionedCommand) for name in METHODS)
