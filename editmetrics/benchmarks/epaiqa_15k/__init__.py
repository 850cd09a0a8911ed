"""EPAIQA-15K: local edits rated for harmony, naturalness and overall quality."""
