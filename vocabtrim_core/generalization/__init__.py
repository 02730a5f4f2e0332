"""How a vocabulary does on other traffic, and how certain that is."""
