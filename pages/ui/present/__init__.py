"""Views of the Present page."""
