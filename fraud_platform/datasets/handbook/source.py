"""The drops and messages of the Fraud Detection Handbook's simulator.

Here: the source's columns.
Not here: its features (`datasets.handbook.features`), the fast parser of this shape
(`rows.canonical`, `scoring.messages.decode`).
"""

from __future__ import annotations

from fraud_platform.contracts.drops import COLUMNS
from fraud_platform.declare import (
    Source,
    entity,
    fraud_label,
    identifier,
    json,
    money,
    text,
    timestamp,
)


class Transaction(Source):
    """A card transaction of the simulator."""

    drops = text("{day}.txt", header="commented", names=COLUMNS)
    messages = json()
    transaction_id = identifier("transaction_id", type="integer")
    booked = timestamp("tx_datetime")
    amount = money("tx_amount", currency="EUR")
    customer = entity("customer_id", type="integer", partitions_topic=True)
    terminal = entity("terminal_id", type="integer")
    fraud = fraud_label(
        "tx_fraud",
        delay="7d",
        kind="tx_fraud_scenario",
        kinds=("amount", "terminal", "customer"),
    )
