"""HPE-Bench: edits of people's poses, and real images: authenticity and three ratings."""
