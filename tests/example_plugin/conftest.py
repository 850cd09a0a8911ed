# The package is tested as it is installed (tests/test_plugin.py); imported from here as well, it would be there twice.
collect_ignore = ["editmetrics_example"]
