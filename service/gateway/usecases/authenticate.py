"""Who asks: the owner of an API key, or anybody where no key is needed."""

from __future__ import annotations

import hmac
import re
from dataclasses import dataclass

from mien.contract.api_keys import parse_api_key
from mien.contract.errors import KeyRefused, KeyRequired, NoSuchAnalysis
from service.queue.key_ring import KeyDigests

_BEARER = re.compile(r"bearer +([^ ]+) *", re.IGNORECASE | re.ASCII)  # RFC 6750, section 2.1


@dataclass(frozen=True)
class Owner:
    """Whose analyses are meant: those sent with the key of this id, or, where it is "", without any."""

    key_id: str

    def own(self, analysis_id: str) -> str:
        """Return the id under which the queue knows an analysis of this owner.

        Raises:
            NoSuchAnalysis: no analysis could have this id.
        """
        if "-" in analysis_id:  # which only parts an owner from an id
            raise NoSuchAnalysis("No analysis has this id. Ids are given by POST /analyze.")
        return f"{self.key_id}-{analysis_id}" if self.key_id else analysis_id

    def own_name(self, name: str) -> str:
        """Return a name that a client chose as nobody else can choose it."""
        return f"{self.key_id}\0{name}" if self.key_id else name


ANYBODY = Owner("")


def public_id(job_id: str) -> str:
    """Return the id by which its owner knows a job; see `Owner.own`."""
    return job_id.rpartition("-")[2]


@dataclass(frozen=True)
class Authenticate:
    """The use case.

    Attributes:
        digests: those of the valid keys.
        required: whether nobody gets in without one.
    """

    digests: KeyDigests
    required: bool

    async def __call__(self, authorization: str | None) -> Owner:
        """Return who sends a request with this `Authorization` header, or gRPC metadata of that name.

        Raises:
            KeyRequired: there is no key, and there has to be one.
            KeyRefused: the key is none, or not valid any more.
            QueueUnavailable: the queue does not answer.
        """
        if not authorization:
            if self.required:
                raise KeyRequired(
                    "Send an API key: `Authorization: Bearer mien_…`. The operator makes one with `mien keys create`."
                )
            return ANYBODY
        bearer = _BEARER.fullmatch(authorization)
        try:
            key = parse_api_key(bearer[1] if bearer else "")
        except ValueError as error:
            raise KeyRefused(
                "This is no API key, or a part of it is missing: it goes as `Authorization: Bearer mien_…`."
            ) from error
        kept = await self.digests.find(key.id)
        if not hmac.compare_digest(kept or "", key.digest):
            raise KeyRefused("This API key is not valid, or not any more.")
        return Owner(key.id)
