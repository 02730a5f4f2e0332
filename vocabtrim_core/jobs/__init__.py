"""Background jobs: commands of this program in processes of their own."""
