"""Forms and views of the Hand over page."""
