"""Forecast of the throughput of a draft with a trimmed vocabulary."""
