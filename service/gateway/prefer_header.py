"""The `Prefer` header (RFC 7240): `respond-async` and `wait`."""

from __future__ import annotations

from dataclasses import dataclass

from mien.contract.errors import InvalidOption


@dataclass(frozen=True)
class Preference:
    """The preferences of a client; `wait_s` is None if it gives none."""

    respond_async: bool
    wait_s: int | None

    def waits(self, default_s: float, most_s: float) -> float:
        """Return the seconds to wait: `wait_s` up to `most_s`, else 0 if asynchronous, else `default_s`."""
        if self.wait_s is not None:
            return min(self.wait_s, most_s)
        return 0.0 if self.respond_async else default_s


def parse_prefer(header: str) -> Preference:
    """Parse the header's value; unknown preferences are ignored, as the RFC says.

    Raises:
        InvalidOption: `wait` is not a whole number of seconds.
    """
    respond_async, wait_s = False, None
    for preference in header.split(","):
        name, _, value = preference.split(";")[0].partition("=")
        name, value = name.strip().lower(), value.strip().strip('"')
        if name == "respond-async":
            respond_async = True
        elif name == "wait":
            if not (value.isascii() and value.isdigit() and len(value) < 10):
                raise InvalidOption("Prefer: wait=N takes a whole number of seconds.")
            wait_s = int(value)
    return Preference(respond_async, wait_s)
