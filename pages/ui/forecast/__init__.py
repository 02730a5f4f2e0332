"""Forms and views of the Forecast page."""
