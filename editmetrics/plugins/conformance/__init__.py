"""Stand-ins of the built-in metrics for the conformance kit, one module for each family.

`registry.CONFORMANCE` names the module of each metric, as the entry points of other packages do for theirs; the hooks
are those of `editmetrics.testing.declaration`.
"""
