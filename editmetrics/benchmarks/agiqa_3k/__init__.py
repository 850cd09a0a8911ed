"""AGIQA-3K: text-to-image models rated for perception and alignment."""
