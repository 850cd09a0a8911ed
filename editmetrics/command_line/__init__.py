"""Shared parts of commands, for the program's own and for plugins': options, parsing and progress.

    from editmetrics.command_line import Progress, device_option, quiet_option

    @click.command()
    @device_option
    @quiet_option
    def my_command(device: str | None, quiet: bool) -> None: ...

A plugin registers a command by an entry point in the group `editmetrics.commands`; see docs/plugins.md.
"""

from __future__ import annotations

from .options import (
    EndpointOptions,
    columns_option,
    completed_by,
    config_option,
    configured_by,
    device_option,
    endpoint_options,
    fields_named,
    file_option,
    folder_option,
    higher_option,
    json_option,
    label_scale_option,
    level_option,
    lower_option,
    map_option,
    metrics_option,
    name_value_pairs,
    on_option,
    overwrite_option,
    own_set,
    pairs_option,
    quiet_option,
    resamples_option,
    retry_option,
    score_rating,
    seed_option,
    target_option,
    track_option,
    workers_option,
)
from .output import (
    CountProgress,
    Progress,
    TrainingProgress,
    advise_on_missing,
    keep_freed_memory,
    opened_trackers,
    score_with_progress,
)
from .sections import SectionedCommand

__all__ = [
    "CountProgress",
    "EndpointOptions",
    "Progress",
    "SectionedCommand",
    "TrainingProgress",
    "advise_on_missing",
    "columns_option",
    "completed_by",
    "config_option",
    "configured_by",
    "device_option",
    "endpoint_options",
    "fields_named",
    "file_option",
    "folder_option",
    "higher_option",
    "json_option",
    "keep_freed_memory",
    "label_scale_option",
    "level_option",
    "lower_option",
    "map_option",
    "metrics_option",
    "name_value_pairs",
    "on_option",
    "opened_trackers",
    "overwrite_option",
    "own_set",
    "pairs_option",
    "quiet_option",
    "resamples_option",
    "retry_option",
    "score_rating",
    "score_with_progress",
    "seed_option",
    "target_option",
    "track_option",
    "workers_option",
]
