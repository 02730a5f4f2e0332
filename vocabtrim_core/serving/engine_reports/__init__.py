"""What a running engine, or its log, tells about speculative decoding: one module per engine."""
