"""Forms and views of the Corpus page."""
