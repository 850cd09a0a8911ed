"""`editmetrics export`: an assessor's models for a vLLM or SGLang server."""

from __future__ import annotations

from pathlib import Path

import click

from ..command_line import completed_by, device_option

ASKED = ("backend", "endpoint", "model", "probe")
"""The options by which a metric asks a server."""


@click.command()
@click.argument("metric", metavar="METRIC[:opt=value,...]", shell_complete=completed_by("metric_names"))
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path, file_okay=False),
    required=True,
    help="Write a folder for each model below this one.",
)
@click.option(
    "--server", type=click.Choice(["vllm", "sglang"]), default="vllm", help="Show the commands of this server."
)
@click.option("--port", type=click.IntRange(1, 65535), default=8000, help="Port of the first server.")
@device_option
def export(metric: str, output: Path, server: str, port: int, device: str | None) -> None:
    """Write the models of METRIC for a vLLM or SGLang server, each with its probe, and show how to start and ask it.

    An adapter is merged into a whole copy of its model: servers have left adapters of vision towers out in silence. A
    model without one is not copied. The probe is a question with this machine's answer, which a server must give, too.

    \b
    editmetrics export ds_ieqa:weights=trained/ -o served/
    editmetrics export edit_score:checkpoint=qwen3-vl-8b -o served/ --server sglang
    """
    import shlex

    from ..options import spec_text
    from ..registry import create_metric, parse_spec, split_alias
    from ..sample import EditMetricsError
    from ..served.export import ServedModels, start_command
    from ..served.export import export as write

    made = create_metric(metric).to(device)
    if not isinstance(made, ServedModels):
        raise EditMetricsError(
            f"{made.name} has no model that a server serves: expected a metric whose answers are words, levels or "
            "digits, such as edit_score or ds_ieqa ('editmetrics list' has all)"
        )
    exported = write(made.models_to_serve(), output, made.name)
    for number, one in enumerate(exported):
        moved = "" if one.probe.moved is None else f"; without its adapter they differ by {one.probe.moved:.2f}"
        click.echo(f"wrote {one.file}: {len(one.probe.tokens)} log-probabilities{moved}", err=True)
        if not one.probe.tells_adapter:
            passing = f"{one.probe.tolerance:g} passes: the probe does not see a server that leaves the adapter out"
            click.echo(f"that is little, as {passing}", err=True)
        click.echo(start_command(server, one, port + number))
    name, options = parse_spec(split_alias(metric)[1])
    kept = {option: value for option, value in options.items() if option not in {*made.not_served, *ASKED}}
    values = (
        server,
        ";".join(f"http://localhost:{port + n}/v1" for n in range(len(exported))),
        ";".join(one.model.name for one in exported),
        ";".join(str(one.file.parent) for one in exported),
    )
    asked = {**kept, **dict(zip(ASKED, values, strict=True))}
    spec = f"{name}:" + ",".join(f"{option}={spec_text(value)}" for option, value in asked.items())
    click.echo(f"editmetrics score ... -m {shlex.quote(spec)}")
