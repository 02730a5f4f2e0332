"""The paper's nine figures and tables, and its missing tokens, beside the shipped counts."""
