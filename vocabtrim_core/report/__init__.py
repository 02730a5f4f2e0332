"""The hand-over of a choice: a report, its figures and tables, a model card."""
