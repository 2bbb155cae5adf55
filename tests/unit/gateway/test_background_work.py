"""Background work of a gateway goes on after a defect."""

import asyncio
import contextlib

from service.gateway import app


def test_background_work_is_started_again_after_a_defect(monkeypatch):
    monkeypatch.setattr(app, "_RESTART_S", 0.001)
    started = []
    goes_on = asyncio.Event()

    async def work() -> None:
        started.append(1)
        if len(started) < 3:
            raise OSError(30, "Read-only file system")
        goes_on.set()
        await asyncio.Event().wait()

    async def scenario() -> None:
        task = asyncio.create_task(app._keep_running(work))
        await goes_on.wait()
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task

    asyncio.run(scenario())

    assert len(started) == 3
