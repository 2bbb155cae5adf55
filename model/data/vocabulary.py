"""The names of expressions and personality traits that datasets share, each in one order."""

from __future__ import annotations

EXPRESSIONS = ("happiness", "sadness", "neutral", "anger", "surprise", "disgust", "fear")
"""The seven basic expressions, in the order of SVFAP's published checkpoints."""

TRAITS = ("openness", "conscientiousness", "extraversion", "agreeableness", "neuroticism")
"""The Big Five personality traits."""
