"""EvalMi-50K (LMM4LMM): text-to-image models rated for perception and correspondence, with a question."""
