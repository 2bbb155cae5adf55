"""A worker that cannot go on ends, so that another is started."""

from __future__ import annotations

import os
import threading

import pytest
from pydantic import ValidationError

from mien.contract.errors import Misconfigured
from mien.contract.options import AnalyzeOptions
from service.worker import app


def raising(error: Exception):
    def serve(_: object) -> None:
        raise error

    return serve


def invalid() -> ValidationError:
    with pytest.raises(ValidationError) as found:
        AnalyzeOptions(faces=0)
    return found.value


@pytest.mark.parametrize(
    ("error", "code"),
    [(Misconfigured("no such folder"), 2), (RuntimeError("can't start new thread"), 1), (invalid(), 1)],
    ids=["configuration", "defect", "defect that looks like a setting"],
)
def test_the_exit_code_tells_a_bad_configuration_from_a_defect(monkeypatch, error, code):
    monkeypatch.setattr(app, "hide_memory", lambda: None)
    monkeypatch.setattr(app, "_serve", raising(error))
    monkeypatch.setattr(threading, "excepthook", threading.excepthook)

    assert app.main() == code


@pytest.mark.parametrize(("name", "codes"), [("inference", [1]), ("keeper", [1]), ("live", [1]), ("job-a", [])])
def test_the_process_ends_with_a_thread_that_all_work_needs(monkeypatch, name, codes):
    ended: list[int] = []
    monkeypatch.setattr(os, "_exit", ended.append)
    monkeypatch.setattr(threading, "excepthook", app._end_with)

    thread = threading.Thread(target=raising(KeyError("a defect")), args=(None,), name=name)
    thread.start()
    thread.join()

    assert ended == codes
