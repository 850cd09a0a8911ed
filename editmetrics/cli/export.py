"""`editmetrics export`: an assessor's models for a vLLM or SGLang server."""

from __future__ import annotations

from pathlib import Path

import click

from ..command_line import completed_by, device_option


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
    from ..registry import create_metric
    from ..sample import EditMetricsError
    from ..served.export import ServedModels, start_command
    from ..served.export import export as write

    made = create_metric(metric).to(device)
    if not isinstance(made, ServedModels):
        raise EditMetricsError(
            f"{made.name} has no model that a server serves: expected a metric whose answers are words, levels or "
            "digits, such as edit_score or ds_ieqa ('editmetrics list' has all)"
        )
    exported = write(made.models_to_serve(), output)
    for number, one in enumerate(exported):
        moved = "" if one.probe.moved is None else f"; without its adapter they differ by {one.probe.moved:.2f}"
        click.echo(f"wrote {one.file}: {len(one.probe.tokens)} log-probabilities{moved}", err=True)
        if not one.probe.tells_adapter:
            passing = f"{one.probe.tolerance:g} passes: the probe does not see a server that leaves the adapter out"
            click.echo(f"that is little, as {passing}", err=True)
        click.echo(start_command(server, one, port + number))
    options = [
        f"backend={server}",
        "endpoint=" + ";".join(f"http://localhost:{port + n}/v1" for n in range(len(exported))),
    ]
    options += ["model=" + ";".join(one.model.name for one in exported)]
    options += ["probe=" + ";".join(str(one.file.parent) for one in exported)]
    separator = "," if ":" in metric else ":"
    click.echo(f"editmetrics score ... -m '{metric}{separator}{','.join(options)}'")
