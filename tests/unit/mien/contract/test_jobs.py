from __future__ import annotations

from mien.contract.jobs import State


def test_only_the_two_ends_are_terminal():
    assert {state for state in State if state.terminal} == {"succeeded", "failed"}
