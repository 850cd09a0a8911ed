"""EBench-18K (LMM4Edit): edits rated in three respects, with a yes-or-no question."""
