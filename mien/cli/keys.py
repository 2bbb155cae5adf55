"""`mien keys`: manage API keys."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mien.cli.app import cli
from mien.cli.service import Data
from mien.contract.api_keys import Scope

if TYPE_CHECKING:
    from service.queue.key_ring import KeyRing

keys = typer.Typer(
    help="Create, list and revoke API keys, in the Redis of `mien serve` or at MIEN_REDIS_URL.", no_args_is_help=True
)
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
    data: Data = None,
) -> None:
    """Create a key and print it. It is shown only once: Mien keeps a digest of it."""
    with _ring(data) as ring:
        try:
            typer.echo(ring.create(name, scope, owner))
        except KeyError:
            typer.echo(f"mien keys: no key has the id {owner}. `mien keys list` shows them.", err=True)
            raise typer.Exit(1) from None


@keys.command("list")
def list_(data: Data = None) -> None:
    """List the valid keys: id (the ID in `mien_ID_…`), creation time, scopes, the owner of its analyses, name."""
    with _ring(data) as ring:
        for key_id, entry in ring.entries():
            scopes = ",".join(entry.scopes)
            typer.echo(
                f"{key_id}  {entry.created_at:%Y-%m-%d %H:%M}  {scopes}  {entry.owner or key_id}  {entry.name}".rstrip()
            )


@keys.command()
def revoke(
    key_id: Annotated[str, typer.Argument(help="The id that `mien keys list` shows.", metavar="ID")],
    data: Data = None,
) -> None:
    """Revoke a key. Analyses made with it stay until they expire."""
    with _ring(data) as ring:
        if not ring.revoke(key_id):
            typer.echo(f"mien keys: no key has the id {key_id}", err=True)
            raise typer.Exit(1)


@contextmanager
def _ring(data: Path | None) -> Iterator[KeyRing]:
    """Open the keys of the service in `data`; without it of that at MIEN_REDIS_URL, or in the default folder.

    Raises:
        Misconfigured: no service is found, or a setting is not valid.
    """
    from redis.exceptions import RedisError

    from service.environment import read_settings
    from service.queue.connection import connect
    from service.queue.key_ring import KeyRing
    from service.queue.settings import QueueEnvironment

    settings = read_settings(QueueEnvironment)
    is_named = data is None and "redis_url" in settings.model_fields_set
    url = settings.redis_url if is_named else _redis_of_serve(data)
    try:
        with connect(url, settings.redis_password_file) as redis:
            yield KeyRing(redis)
    except (RedisError, OSError) as error:
        typer.echo(f"mien keys: the Redis at {url.rpartition('@')[2]} does not answer: {error}", err=True)
        raise typer.Exit(1) from error


def _redis_of_serve(data: Path | None) -> str:
    from mien.contract.errors import Misconfigured
    from service.environment import read_settings
    from service.standalone.settings import StandaloneSettings
    from service.standalone.supervisor import redis_url

    folder = data or read_settings(StandaloneSettings).data_dir
    if (url := redis_url(folder)) is None:
        raise Misconfigured(
            f"No `mien serve` runs with its data in {folder}. Start it, give its folder with --data, or set "
            "MIEN_REDIS_URL to the Redis of another service."
        )
    return url
