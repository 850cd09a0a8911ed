"""Pick-a-Pic v1: which of two generated images the user who asked for them preferred."""
