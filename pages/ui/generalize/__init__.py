"""Forms and views of the Generalize page."""
