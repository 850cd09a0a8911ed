"""ReasonEdit-22K: edits rated in three respects."""
