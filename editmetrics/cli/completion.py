"""`editmetrics completion SHELL`: the script that makes a shell complete commands, metrics, suites and weights."""

from __future__ import annotations

import click


@click.command()
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def completion(shell: str) -> None:
    """Print the script that completes commands, options, metrics, suites and weights in a shell.

    \b
    bash  editmetrics completion bash > ~/.local/share/bash-completion/completions/editmetrics
    zsh   editmetrics completion zsh > ~/.zfunc/_editmetrics, with 'fpath+=~/.zfunc' before 'compinit' in ~/.zshrc
    fish  editmetrics completion fish > ~/.config/fish/completions/editmetrics.fish
    """
    from click.shell_completion import get_completion_class

    from ..command_line.completion import VARIABLE
    from . import cli

    script = get_completion_class(shell)
    if script is None:
        raise click.UsageError(f"this version of click has no completion for {shell}")
    click.echo(script(cli, {}, "editmetrics", VARIABLE).source())
