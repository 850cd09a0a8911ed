"""AIGCIQA2023: text-to-image models rated for quality, authenticity and correspondence."""
