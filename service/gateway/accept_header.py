"""The `Accept` header (RFC 9110, section 12.5.1), as far as the API has a choice: JSON or CSV."""

from __future__ import annotations


def prefers_csv(accept: str) -> bool:
    """Return whether a client would rather have CSV than JSON; without a preference it gets JSON."""
    weights = dict(_weight(part) for part in accept.lower().split(",") if part.strip())
    any_weight = weights.get("*/*", 0.0)
    csv = weights.get("text/csv", weights.get("text/*", any_weight))
    return csv > weights.get("application/json", weights.get("application/*", any_weight))


def _weight(part: str) -> tuple[str, float]:
    media_type, *parameters = (piece.strip() for piece in part.split(";"))
    weight = next((text[2:] for text in parameters if text.startswith("q=")), "1")
    try:
        return media_type, float(weight)
    except ValueError:
        return media_type, 0.0
