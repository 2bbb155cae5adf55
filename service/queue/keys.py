"""Every Redis key, what it holds and how long it lives.

key                      type    holds                                              lives
mien:queue               stream  one entry a job that has not ended, field `job`    entry: until the job ends
mien:live                zset    ids of jobs that have not ended, by creation (ms)  member: until the job ends
mien:live_bytes          string  bytes of their uploads                             for ever, one number
mien:live_price          string  what they take to analyse, in bytes and pixels     for ever, one number
mien:jobs[:{owner}]      zset    "created_ms:id" of each job that can be read       member: until erased or swept
mien:reserved            zset    ids of uploads being received, by lease's end (ms) member: 30 s, renewed
mien:reserved_bytes      hash    bytes reserved for each of them, by its id         field: as its member
mien:slots               zset    ids of slots open for uploads, by their end (ms)   member: two hours, or used
mien:live:{owner}        set     ids of a key's jobs that have not ended            member: until the job ends
mien:video_s:{owner}     string  seconds of video analysed for a key                a day from the first
mien:wrong_keys:{n}      string  keys refused to the addresses of one bucket of 64k a minute from the first
mien:job:{id}            hash    the job (fields below)                             results' time to live after its end
mien:events:{id}         stream  what happened in its latest attempt, capped        10 minutes after its end
mien:idempotency:{hash}  hash    which request has the key (fields below)           a minute, renewed; accepted: a day
mien:callbacks           zset    ids of jobs whose callback is due, by when (ms)    until delivered or given up
mien:gone:{hash}         string  tombstone: "expired" or "deleted"                  7 days after that
mien:erase               zset    blobs, and keys that expire, by when (ms)          member: until erased
mien:file                hash    erasures so far, and at the last rewritten file    for ever, two numbers
mien:rewrite             string  that Redis was told to rewrite its file            one pause
mien:dead                list    the last 1000 ids of jobs out of attempts          7 days after the last
mien:workers             zset    names of workers, by last sign of life (ms)        member: until swept
mien:worker:{name}       string  the worker's registration as JSON                  15 s, renewed
mien:api_keys            hash    digest, name, scopes of each API key, by its id    key: until revoked
mien:sweeper             string  which gateway sweeps                               one round, renewed
mien:probe               string  that Redis takes what is written                   a minute, renewed
mien:sessions:{owner}    zset    ids of a key's live analyses, by lease's end (ms)  member: 30 s, renewed
mien:sessions            list    live analyses that wait for a worker, as JSON      until one takes them or 5 s

A job that was sent with an API key has that key's id and a hyphen before its own id; so all its data, here and in the
blob store, belongs to its owner, and no other key can refer to it.

Fields of a job: state, created_ms, options, callback, trace and idempotency key (where there is one: callback, trace,
key), upload, bytes, price, entry (its stream entry), fence, attempts, token (of the latest attempt), started_ms, event
(the id of its last event), done_s, total_s, last_error; and once it has ended: ended_ms, expires_ms, result, error,
decode_ms, inference_ms, callback_tries. Times are Unix milliseconds.

Fields of an idempotency key, whose name is the SHA-256 of what the client sent: job; and once that is accepted:
options, digest (SHA-256 of the video). Once its analysis was erased: erased, and nothing else.
"""

from __future__ import annotations

import hashlib
import zlib

QUEUE = "mien:queue"
GROUP = "workers"
RELEASED = "released"
"""The consumer of the group that holds the entries of jobs that were handed back."""
LONGER_THAN_LEASES_MS = 10**9
LIVE = "mien:live"
LIVE_BYTES = "mien:live_bytes"
LIVE_PRICE = "mien:live_price"
RESERVED = "mien:reserved"
RESERVED_BYTES = "mien:reserved_bytes"
SLOTS = "mien:slots"
DEAD = "mien:dead"
WORKERS = "mien:workers"
SWEEPER = "mien:sweeper"
PROBE = "mien:probe"
API_KEYS = "mien:api_keys"
SESSIONS = "mien:sessions"
CALLBACKS = "mien:callbacks"
ERASE = "mien:erase"
FILE = "mien:file"
REWRITE = "mien:rewrite"

CHANGED = "mien:changed"
"""Publish/subscribe channel: the id of each job that changes. A message only wakes readers, who then read the job."""

MOST_EVENTS = 4096
"""Events kept of a job, roughly: about 1 MB."""

EVENTS_TTL_S = 600

TOMBSTONE_TTL_S = 7 * 24 * 3600
IDEMPOTENCY_TTL_S = 24 * 3600
WORKER_TTL_S = 15
WRONG_KEYS_TTL_S = 60


def jobs(owner: str) -> str:
    """Return the key of the list of an owner's jobs; those without an owner have one, too."""
    return f"mien:jobs:{owner}" if owner else "mien:jobs"


ALL_JOBS = "mien:jobs*"
"""Pattern of all of these keys."""


def live_of(owner: str) -> str:
    """Return the key of the ids of an owner's jobs that have not ended; scripts that change it also build this name."""
    return f"mien:live:{owner}"


def video_s_of(owner: str) -> str:
    """Return the key of the seconds of video analysed for an owner; `end_job.lua` also builds this name."""
    return f"mien:video_s:{owner}"


def sessions_of(owner: str) -> str:
    """Return the key of the ids of an owner's live analyses."""
    return f"{SESSIONS}:{owner}"


def wrong_keys(address: str) -> str:
    """Return the key of the count of refused API keys from an address, which is hashed so that memory is bounded."""
    return f"mien:wrong_keys:{zlib.crc32(address.encode()) & 0xFFFF}"


def frames(session: str) -> str:
    """Return the publish/subscribe channel of a live analysis's frames, which are never stored."""
    return f"mien:frames:{session}"


def updates(session: str) -> str:
    """Return the publish/subscribe channel of a worker's updates of a live analysis."""
    return f"mien:news:{session}"


def job(job_id: str) -> str:
    """Return the key of a job's hash."""
    return f"mien:job:{job_id}"


def events(job_id: str) -> str:
    """Return the key of a job's events."""
    return f"mien:events:{job_id}"


def idempotency(key: str) -> str:
    """Return the key of a client's idempotency key, which is hashed because a client chose it."""
    return f"mien:idempotency:{hashlib.sha256(key.encode()).hexdigest()}"


def gone(job_id: str) -> str:
    """Return the key of a job's tombstone, which is hashed so that the id of an erased job is stored nowhere."""
    return f"mien:gone:{hashlib.sha256(job_id.encode()).hexdigest()}"


def worker(name: str) -> str:
    """Return the key of a worker's registration."""
    return f"mien:worker:{name}"
