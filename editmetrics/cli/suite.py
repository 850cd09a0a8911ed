"""`editmetrics suite`: the benchmarks in a line each; with a name, its protocol explained."""

from __future__ import annotations

import json

import click

from ..command_line import completed_by, json_option


@click.command()
@click.argument("name", required=False, shell_complete=completed_by("suite_names"))
@click.option(
    "--repository",
    metavar="FOLDER",
    help="Check your copy of the official repository, for a suite whose questions are not shipped.",
)
@json_option
def suite(name: str | None, repository: str | None, as_json: bool) -> None:
    """Explain a benchmark: what is asked, of whom, how it is averaged, what it costs, and what differs here.

    \b
    editmetrics suite                              the benchmarks, in a line each
    editmetrics suite gedit                        the protocol
    editmetrics suite gedit:judged_by=Q,model=any  and how a run with these options differs from it
    """
    from ..registry import parse_spec
    from ..suites import SUITES, broken_suites, suite_of_spec
    from ..suites.explain import described
    from ..suites.judged import suite_metric
    from ..suites.prompt_files import file_of, text_of
    from ..tables.suites import list_blocks, suite_blocks
    from ..tables.table import show

    if name is None:
        if repository is not None:
            raise click.UsageError("--repository requires the name of a suite: editmetrics suite NAME")
        broken = broken_suites()
        suites = [SUITES[each] for each in SUITES if each not in broken]
        if as_json:
            click.echo(json.dumps([described(each) for each in suites], indent=2, ensure_ascii=False))
            return
        return show(list_blocks(suites, broken))
    bare, options = parse_spec(name)
    chosen = suite_of_spec(name)
    metric = suite_metric(name) if chosen.judges else None
    if repository is not None:
        for judge in chosen.judges:
            for ask in judge.asks:
                for prompt in ask.prompts():
                    text_of(chosen, prompt, repository)
        for file in chosen.data:
            file_of(chosen, file, repository)
        click.echo(f"{repository} has the texts of {bare}, unchanged", err=True)
    if as_json:
        click.echo(json.dumps(described(chosen), indent=2, ensure_ascii=False))
        return
    show(suite_blocks(chosen, metric if options else None))
