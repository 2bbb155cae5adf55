"""Evaluation: which model is scored on what, the scores, the report."""
