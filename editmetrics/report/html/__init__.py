"""The report as one HTML file that opens offline: a page, its style, its scripts, and the data they show."""
