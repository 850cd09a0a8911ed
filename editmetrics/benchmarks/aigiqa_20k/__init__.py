"""AIGIQA-20K: 15 text-to-image models rated in one respect."""
