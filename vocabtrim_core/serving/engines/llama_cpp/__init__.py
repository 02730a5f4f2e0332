"""llama.cpp: how its servers are started, asked and counted."""
