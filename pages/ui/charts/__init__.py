"""Charts drawn by scripts of our own: the live trade-off, the mix and the forecast."""
