"""Whether a vocabulary holds on other traffic, and how sure that is."""
