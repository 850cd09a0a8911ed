"""AGIQA-1K: two text-to-image models rated for quality."""
