"""GenAI-Bench: text-to-image models rated for alignment, by skill."""
