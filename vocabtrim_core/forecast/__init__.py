"""What a draft vocabulary will do to tokens per second."""
