"""Changing topics without the platform: deleting them, their messages, adding partitions."""

from __future__ import annotations

from confluent_kafka.admin import AdminClient

from fraud_platform.adapters.kafka.connection import ClientErrors, KafkaConnection


def administrator(connection: KafkaConnection) -> AdminClient:
    """Return a client that prints nothing if it outlives its broker."""
    return AdminClient(connection.config(ClientErrors()))
