"""EvalMuse-40K: text-to-image models rated for alignment."""
