"""The stream: batches of offsets, event times, stream time.

Here: the order and the times of messages, for plans, labels and state.
Not here: Kafka's clients (`fraud_platform.adapters.kafka`), the content of a message
(`fraud_platform.rows`).
"""
