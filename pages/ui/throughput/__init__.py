"""Forms and views of the Throughput page."""
