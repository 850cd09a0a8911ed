"""The papers' benchmarks: their data sets and how they are scored."""
