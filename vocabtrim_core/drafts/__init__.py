"""Drafts on disk: trim the head of one without training, train one, read what was written."""
