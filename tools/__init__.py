"""Scripts for developers of editmetrics, run from the checkout and not part of the package."""
