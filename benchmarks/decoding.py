"""Cost of decoding messages: the parser of the Handbook's shape, and the reader of declared ones.

Here: CPU time per message of both on the Handbook's messages, of the second on a declared source
with text keys, a category and numbers, and of the JSON parser of the standard library, which only
makes Python objects; batches of several sizes; messages in one order of names and in random orders.
Not here: scoring (`benchmarks.scoring`), whether values are right (the tests).

    python -m benchmarks.decoding [--messages 100000]
"""

from __future__ import annotations

import argparse
import json
import random
import time
from collections.abc import Callable
from datetime import UTC, datetime

from benchmarks.report import markdown_table, write_section
from fraud_platform.datasets.handbook import DATA_SET as HANDBOOK
from fraud_platform.scoring.messages.declared import DeclaredMessages
from fraud_platform.scoring.messages.decode import decode
from fraud_platform.simulation.stream import transaction_messages
from fraud_platform_tests.testing.worlds.declared import SOURCE, messages, payments
from fraud_platform_tests.testing.worlds.scoring import stream_rows

SIZES = (1, 100, 10_000, 100_000)
_ENOUGH_SECONDS = 0.3
Decode = Callable[[list[bytes], list[bytes]], object]
Messages = tuple[list[bytes], list[bytes]]


def cpu_us(read: Decode, sent: Messages, size: int) -> float:
    """Return the least CPU time per message, in microseconds, of batches of this size."""
    keys, values = sent[0][:size], sent[1][:size]
    best, spent = float("inf"), 0.0
    while spent < _ENOUGH_SECONDS:
        begun = time.process_time()
        read(keys, values)
        took = time.process_time() - begun
        best, spent = min(best, took), spent + max(took, 1e-4)
    return best / size * 1e6


def reordered(sent: Messages) -> Messages:
    """Return the messages with the names of each object in a random order."""
    mixed = random.Random(1)  # noqa: S311 - no secret
    values = []
    for value in sent[1]:
        pairs = [*json.loads(value).items()]
        mixed.shuffle(pairs)
        values.append(json.dumps(dict(pairs)).encode())
    return sent[0], values


def main() -> None:
    """Measure every contender and write the section of the results."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--messages", type=int, default=SIZES[-1])
    count = parser.parse_args().messages
    made = transaction_messages(stream_rows(count, days=20))
    handbook = (made.keys, made.values)
    declared = messages(payments(count, datetime(2019, 3, 5, tzinfo=UTC), days=20))
    general, own = DeclaredMessages(HANDBOOK.source), DeclaredMessages(SOURCE)
    contenders: list[tuple[str, Decode, Messages]] = [
        ("Handbook, its parser", decode, handbook),
        ("Handbook, general reader", general.decode, handbook),
        ("9 declared columns", own.decode, declared),
        ("9 declared columns, random orders", own.decode, reordered(declared)),
        ("9 declared columns, only `json.loads`", _loads, declared),
    ]
    sizes = [size for size in SIZES if size <= count]
    rows = [
        [name, *(f"{cpu_us(read, sent, size):,.2f}" for size in sizes)]
        for name, read, sent in contenders
    ]
    header = ["CPU µs per message", *(f"batches of {size:,}" for size in sizes)]
    table = markdown_table(header, rows)
    print(table)
    write_section("Decoding", table)


def _loads(_: list[bytes], values: list[bytes]) -> list[object]:
    return [json.loads(value) for value in values]


if __name__ == "__main__":
    main()
