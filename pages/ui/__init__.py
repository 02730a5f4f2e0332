"""Shared pieces of the pages: routing, state, the live chart, job panels and small furniture."""
