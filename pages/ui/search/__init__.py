"""Forms and views of the Search page."""
