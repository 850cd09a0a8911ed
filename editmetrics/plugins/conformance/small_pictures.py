"""Smaller toy pictures for closed-form metrics whose filters take their time."""

PICTURE = (88, 96)
