"""Forms and views of the Train page."""
