"""Files that people keep, to disk and back: rows, atomic replacement, append-only journals, escaping."""
