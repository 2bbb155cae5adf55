"""Authenticate requests: each has the owner of its API key, or none where no key is needed."""

from __future__ import annotations

import hmac
import re
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager, nullcontext
from dataclasses import dataclass, field

import structlog

from mien.contract.api_keys import SCOPES, Scope, parse_api_key
from mien.contract.errors import KeyRefused, KeyRequired, NoSuchAnalysis, ScopeMissing, TooManyWrongKeys
from service.gateway.usecases.keys_in_use import KeysInUse
from service.queue.key_ring import ValidKeys

audit = structlog.get_logger(log="audit")

_MOST_WRONG = 20  # keys from one address in a minute
_BEARER = re.compile(r"bearer +([^ ]+) *", re.IGNORECASE | re.ASCII)  # RFC 6750, section 2.1


@dataclass(frozen=True)
class Owner:
    """The owner of analyses.

    Attributes:
        key_id: id of the owner's API key; "" for analyses that were sent without a key.
        while_valid: returns a context that runs its block as long as the request's own key is valid, and raises
            KeyRefused when the key is revoked (see `KeysInUse.using`).
    """

    key_id: str
    while_valid: Callable[[], AbstractAsyncContextManager[None]] = field(default=nullcontext, compare=False, repr=False)

    def own(self, analysis_id: str) -> str:
        """Return the job id of an analysis of this owner.

        Raises:
            NoSuchAnalysis: no analysis could have this id.
        """
        if "-" in analysis_id:  # in a job id, it separates the owner's id
            raise NoSuchAnalysis("No analysis has this id. Ids are given by POST /analyze.")
        return f"{self.key_id}-{analysis_id}" if self.key_id else analysis_id

    def own_name(self, name: str) -> str:
        """Return a name that a client chose, made unique to this owner."""
        return f"{self.key_id}\0{name}" if self.key_id else name


NO_OWNER = Owner("")


def public_id(job_id: str) -> str:
    """Return the public id of a job; the inverse of `Owner.own`."""
    return job_id.rpartition("-")[2]


@dataclass(frozen=True)
class Authenticate:
    """Authenticate requests by their API keys.

    Attributes:
        keys: the valid keys.
        in_use: ends requests whose key is revoked while they are under way.
        required: whether every request needs one.
    """

    keys: ValidKeys
    in_use: KeysInUse
    required: bool

    async def __call__(self, authorization: str | None, scope: Scope, address: str) -> Owner:
        """Return the owner for a request's `Authorization` header, or gRPC metadata of that name.

        A valid key is never refused because of other requests from its address, which may be a proxy's.

        Args:
            authorization: the header.
            scope: what the key has to allow.
            address: where the request comes from.

        Raises:
            KeyRequired: there is no key, but one is required.
            KeyRefused: the key is malformed, unknown or revoked.
            TooManyWrongKeys: so are too many others from this address.
            ScopeMissing: the key does not allow this.
            QueueUnavailable: the queue does not answer.
        """
        if not authorization:
            if self.required:
                raise KeyRequired(
                    "Send an API key: `Authorization: Bearer mien_…`. The operator makes one with `mien keys create`."
                )
            return NO_OWNER
        bearer = _BEARER.fullmatch(authorization)
        try:
            key = parse_api_key(bearer[1] if bearer else "")
        except ValueError as error:
            await self._count_wrong(address)
            raise KeyRefused("This is not a complete API key. Send it as `Authorization: Bearer mien_…`.") from error
        kept = await self.keys.find(key.id)
        if kept is None or not hmac.compare_digest(kept.digest, key.digest):
            await self._count_wrong(address, key.id)
            raise KeyRefused("This API key is unknown or was revoked. Send a valid one.")
        if scope not in kept.scopes:
            audit.warning("scope missing", key=key.id, scope=scope)
            raise ScopeMissing(
                f"This API key may not {SCOPES[scope]}. The operator can create one that does: "
                f"`mien keys create --scope {scope}`."
            )
        audit.info("key used", key=key.id, scope=scope)
        return Owner(kept.owner or key.id, self.in_use.use(key.id))

    async def _count_wrong(self, address: str, key_id: str = "") -> None:
        count, left_s = await self.keys.count_wrong(address)
        audit.warning("wrong key", key=key_id, address=address, count=count)
        if count > _MOST_WRONG:
            raise TooManyWrongKeys(
                f"{_MOST_WRONG} wrong API keys came from this address within a minute. Try again in {left_s} s.", left_s
            )
