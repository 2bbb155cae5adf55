"""A compromised decoder: each of its attacks fails under the confinement, and succeeds without it.

Each layer is tried alone, too, so that what one stops is not only what another stops before it.
"""

from __future__ import annotations

import contextlib
import ctypes
import multiprocessing
import os
import resource
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path

import pytest

from mien.contract.errors import CannotDecode
from service.vision.clips import ClipSpec, Limits
from service.worker import confinement, decode_child
from service.worker.decode_child import Assignment, VideoPart
from service.worker.pipe import receive_event
from service.worker.sandbox import Sandbox
from tests.processes import HANG_S

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the layers are Linux's")

SPECS = (ClipSpec(frames=4, interval_s=0.1, size=16, margin=0.2, hop_s=0.2),)
SECRET = b"the worker's secret"
RAN = 42


@dataclass(frozen=True)
class Target:
    """What there is to be had: a process with a secret in its memory, files, and two listeners."""

    process: int
    address: int
    folder: Path
    port: int


def read_environment(target: Target) -> None:
    assert Path(f"/proc/{target.process}/environ").read_bytes()


def read_memory(target: Target) -> None:
    with Path(f"/proc/{target.process}/mem").open("rb", buffering=0) as memory:
        memory.seek(target.address)
        assert memory.read(len(SECRET)) == SECRET


def read_memory_by_a_call(target: Target) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    found = ctypes.create_string_buffer(len(SECRET))

    def extent(address: int) -> ctypes.Array:
        return (ctypes.c_size_t * 2)(address, len(SECRET))

    taken = libc.process_vm_readv(
        target.process, extent(ctypes.addressof(found)), 1, extent(target.address), 1, ctypes.c_ulong(0)
    )
    if taken == -1:
        raise OSError(ctypes.get_errno(), "process_vm_readv")
    assert found.raw == SECRET


def read_passwords(_: Target) -> None:
    assert Path("/etc/passwd").read_bytes()


def read_another_video(target: Target) -> None:
    assert (target.folder / "other.mp4").read_bytes()


def list_a_folder(target: Target) -> None:
    assert os.listdir(target.folder)  # noqa: PTH208


def make_a_file(target: Target) -> None:
    with (target.folder / "made").open("xb"):
        pass


def connect_to_a_unix_socket(target: Target) -> None:
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(str(target.folder / "redis.sock"))


def connect_by_tcp(target: Target) -> None:
    with socket.socket() as client:
        client.connect(("127.0.0.1", target.port))


def signal_another(target: Target) -> None:
    os.kill(target.process, 0)


def outlive_the_parent(_: Target) -> None:
    decode_child.kernel.prctl(1, 0)


def lift_a_limit(_: Target) -> None:
    _, ceiling = resource.getrlimit(resource.RLIMIT_CPU)
    resource.setrlimit(resource.RLIMIT_CPU, (ceiling, ceiling))


def run_a_shell(_: Target) -> None:
    os.execv("/bin/sh", ["sh", "-c", f"exit {RAN}"])


def fork_and_outlive(_: Target) -> int:
    left, gone = os.pipe()
    process = os.fork()
    if process == 0:
        os.setsid()
        os.closerange(3, 32)
        time.sleep(HANG_S)
        os._exit(0)
    os.close(gone)
    os.read(left, 1)  # until it has closed its end
    return process


TRIES: dict[Callable[[Target], None], set[str]] = {
    read_environment: {"namespaces", "landlock"},
    read_memory: {"namespaces", "landlock"},
    read_memory_by_a_call: {"namespaces", "landlock", "seccomp"},
    read_passwords: {"landlock"},
    read_another_video: {"landlock"},
    list_a_folder: {"landlock", "seccomp"},
    make_a_file: {"landlock", "seccomp"},
    connect_to_a_unix_socket: {"seccomp"},
    connect_by_tcp: {"namespaces", "landlock", "seccomp"},
    signal_another: {"landlock", "seccomp"},
    outlive_the_parent: {"seccomp"},
    lift_a_limit: {"seccomp"},
    run_a_shell: {"landlock", "seccomp"},
    fork_and_outlive: {"seccomp"},
}
"""What is tried, and the layers each of which stops it alone."""


def misbehave(pipe: Connection, assignment: Assignment, layers: set[str], attempt: Callable, target: Target) -> None:
    """Be a decode child whose decoder does something else, under some of the layers, and say how it went."""

    def decoder(*_, **__):
        try:
            left = attempt(target)
        except (OSError, ValueError) as error:
            raise CannotDecode(f"denied: {error}") from error
        raise CannotDecode(f"done: {left}")

    def left_out() -> None:
        pass

    decode_child.read_clips = decoder
    if "namespaces" not in layers:
        confinement._enter_namespaces = left_out
        confinement._drop_capabilities = left_out
    if "landlock" not in layers:
        confinement.restrict_files = lambda _: None
    if "seccomp" not in layers:
        confinement.restrict_calls = left_out
    decode_child.run(pipe, assignment, required=False)


@pytest.fixture(scope="module")
def lacking() -> list[str]:
    return Sandbox(30).start()


@pytest.fixture
def target(tmp_path: Path) -> Iterator[Target]:
    for name in ("video.mp4", "other.mp4"):
        (tmp_path / name).write_bytes(b"somebody's face")
    memory = ctypes.create_string_buffer(SECRET)
    # Socket paths are short: bound from within the folder.
    with socket.socket(socket.AF_UNIX) as listener, socket.create_server(("127.0.0.1", 0)) as tcp:
        with contextlib.chdir(tmp_path):
            listener.bind("redis.sock")
        listener.listen()
        yield Target(os.getpid(), ctypes.addressof(memory), tmp_path, tcp.getsockname()[1])


def works(attempt: Callable, target: Target, layers: set[str]) -> bool:
    """Return whether a try works in a child under these layers; kill the child, and all that it has left."""
    context = multiprocessing.get_context("forkserver")
    receiver, sender = context.Pipe(duplex=False)
    limits = Limits(max_pixels=1 << 20, max_duration_s=60, max_frames=1000)
    source = VideoPart(target.folder / "video.mp4", 0.0, None)
    assignment = Assignment(source, SPECS, 8, None, limits, 1 << 30, 60)
    child = context.Process(target=misbehave, args=(sender, assignment, layers, attempt, target), daemon=True)
    child.start()
    sender.close()
    try:
        with pytest.raises(CannotDecode) as said:
            receive_event(receiver, SPECS)
    except EOFError:
        child.join(10)
        assert child.exitcode == RAN
        return True
    finally:
        receiver.close()
        child.join(10)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(child.pid, signal.SIGKILL)
        (target.folder / "made").unlink(missing_ok=True)
    outcome, _, left = str(said.value).partition(": ")
    assert outcome in ("done", "denied")
    if attempt is fork_and_outlive and outcome == "done":
        os.kill(int(left), signal.SIGKILL)  # which is there to be killed
    return outcome == "done"


@pytest.mark.parametrize("attempt", TRIES, ids=lambda attempt: attempt.__name__)
def test_what_a_decoder_tries_fails_under_the_confinement_and_works_without(attempt, target: Target, lacking):
    assert works(attempt, target, set())
    for layer in confinement.LAYERS:
        if layer not in lacking:
            assert works(attempt, target, {layer}) == (layer not in TRIES[attempt]), layer
    if TRIES[attempt] - set(lacking):
        assert not works(attempt, target, set(confinement.LAYERS))


def start_a_thread(_: Target) -> None:
    done = threading.Event()
    threading.Thread(target=done.set).start()
    assert done.wait(HANG_S)


def read_its_video(target: Target) -> None:
    assert (target.folder / "video.mp4").read_bytes() == b"somebody's face"


@pytest.mark.parametrize("attempt", [start_a_thread, read_its_video], ids=lambda attempt: attempt.__name__)
def test_what_decoding_needs_works_under_the_confinement(attempt, target: Target, lacking):
    assert works(attempt, target, set(confinement.LAYERS))


def test_a_worker_that_hides_its_memory_is_not_dumpable():
    code = (
        "from service.worker import confinement, kernel\n"
        "dumpable = lambda: kernel.call('prctl', 3, 0, 0, 0, 0)\n"
        "before = dumpable(); confinement.hide_memory(); print(before, dumpable())"
    )
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=Path.cwd())

    assert said.stdout.split() == ["1", "0"]
