"""Runs that are over: their tables and records read back, means with intervals, one run compared with another."""
