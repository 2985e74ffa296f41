"""Waiting out an outage: reported once, longer each time, ended at once by a stop."""

from __future__ import annotations

import time

import pytest

from fraud_platform.adapters import patience as module
from fraud_platform.adapters.patience import Patience
from fraud_platform.errors import Outage


def test_an_outage_is_told_once_when_it_begins_and_once_when_it_ends(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    slept: list[float] = []
    clock = iter(range(10_000))
    monkeypatch.setattr(time, "sleep", slept.append)
    monkeypatch.setattr(time, "monotonic", lambda: next(clock) / 20)
    messages: list[str] = []
    patience = Patience(messages.append, lambda: False)
    patience.work_goes_on()
    assert messages == []
    waits = []
    for _ in range(8):
        before = len(slept)
        patience.wait(Outage("Kafka at x did not answer"))
        waits.append(len(slept) - before)
    assert waits == sorted(waits)
    assert waits[-1] == waits[-2] == pytest.approx(20 * module.MOST_SECONDS, abs=2)
    assert messages == ["waiting, nothing is lost; Ctrl-C ends it. Kafka at x did not answer"]
    patience.work_goes_on()
    patience.work_goes_on()
    assert len(messages) == 2
    assert messages[1].startswith("going on after an outage of ")
    patience.wait(Outage("the lake is full"))
    assert messages[2].endswith("the lake is full")


def test_a_stop_ends_the_wait() -> None:
    patience = Patience(lambda line: None, lambda: True)
    began = time.monotonic()
    for _ in range(10):
        patience.wait(Outage("away"))
    assert time.monotonic() - began < 1
