"""Kafka: its clients, and the embedded broker.

Here: one connection and its security, topics, reading ranges, producing, replaying a drop; the
broker of this machine.
Not here: what messages mean (`fraud_platform.scoring`), which topics there are
(`contracts.messages`).
"""
