"""A chat model that is shown two edits of one source, and says which is better."""
