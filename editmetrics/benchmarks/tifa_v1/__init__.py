"""TIFA v1.0: text-to-image models rated for faithfulness."""
