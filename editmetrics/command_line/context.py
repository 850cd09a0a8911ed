"""The keys of what a run takes from its configuration, in the `meta` of click's context."""

CONFIG, NAMED = "editmetrics.config", "editmetrics.config.named"
"""Where the context of a command keeps its configuration, and the names of it that were used."""
