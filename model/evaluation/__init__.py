"""Evaluation: the choice of models and test parts, scores, reports."""
