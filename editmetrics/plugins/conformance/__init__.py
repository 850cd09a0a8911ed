"""Stand-ins of the built-in metrics for the conformance kit, one module for each family.

`registry.CONFORMANCE` names the module of each metric, as entry points do for the metrics of other packages;
`editmetrics.testing.hooks` describes what the modules may hold.
"""
