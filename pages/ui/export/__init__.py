"""Forms and views of the Export page."""
