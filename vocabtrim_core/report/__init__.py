"""A choice for people: a report, its figures and tables, a model card."""
