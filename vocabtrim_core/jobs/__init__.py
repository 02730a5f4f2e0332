"""Background jobs: commands of this program that run in separate processes."""
