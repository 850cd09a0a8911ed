"""VCReward-Bench of GEditBench v2: pairs of edits, and which keeps better what the instruction does not name."""
