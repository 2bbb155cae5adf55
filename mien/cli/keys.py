"""`mien keys`: manage API keys."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated

import typer

from mien.cli.app import cli
from mien.contract.api_keys import Scope

if TYPE_CHECKING:
    from service.queue.key_ring import KeyRing

keys = typer.Typer(help="Create, list and revoke API keys, in the Redis at MIEN_REDIS_URL.", no_args_is_help=True)
cli.add_typer(keys, name="keys")


@keys.command()
def create(
    name: Annotated[str, typer.Argument(help="A name that says what the key is for.")] = "",
    scope: Annotated[
        list[Scope], typer.Option(help="What the key allows; give it once for each. Default: analyze and read.")
    ] = [Scope.ANALYZE, Scope.READ],  # noqa: B006 - typer's own way
    owner: Annotated[
        str, typer.Option(help="Id of another key, with whose analyses and quota the new one works.", metavar="ID")
    ] = "",
) -> None:
    """Create a key and print it. It is shown only once: Mien keeps a digest of it."""
    with _ring() as ring:
        try:
            typer.echo(ring.create(name, scope, owner))
        except KeyError:
            typer.echo(f"mien keys: no key has the id {owner}. `mien keys list` shows them.", err=True)
            raise typer.Exit(1) from None


@keys.command("list")
def list_() -> None:
    """List the valid keys: id (the ID in `mien_ID_…`), creation time, scopes, the owner of its analyses, name."""
    with _ring() as ring:
        for key_id, entry in ring.entries():
            scopes = ",".join(entry.scopes)
            typer.echo(
                f"{key_id}  {entry.created_at:%Y-%m-%d %H:%M}  {scopes}  {entry.owner or key_id}  {entry.name}".rstrip()
            )


@keys.command()
def revoke(key_id: Annotated[str, typer.Argument(help="The id that `mien keys list` shows.", metavar="ID")]) -> None:
    """Revoke a key. Analyses made with it stay until they expire."""
    with _ring() as ring:
        if not ring.revoke(key_id):
            typer.echo(f"mien keys: no key has the id {key_id}", err=True)
            raise typer.Exit(1)


@contextmanager
def _ring() -> Iterator[KeyRing]:
    from redis.exceptions import RedisError

    from mien.contract.errors import Misconfigured
    from service.queue.connection import connect
    from service.queue.key_ring import KeyRing
    from service.queue.settings import QueueEnvironment
    from service.standalone.supervisor import redis_url

    settings = QueueEnvironment()
    url = settings.redis_url if "redis_url" in settings.model_fields_set else redis_url() or settings.redis_url
    try:
        with connect(url, settings.redis_password_file) as redis:
            yield KeyRing(redis)
    except Misconfigured as error:
        typer.echo(f"mien keys: {error}", err=True)
        raise typer.Exit(2) from error
    except (RedisError, OSError) as error:
        typer.echo(f"mien keys: the Redis at {url.rpartition('@')[2]} does not answer: {error}", err=True)
        raise typer.Exit(1) from error
