"""Forms and views of the Explore page."""
