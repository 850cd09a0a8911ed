"""HPD v2: generated images of one prompt, ranked by people; its test set."""
