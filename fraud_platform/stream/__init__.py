"""The stream: batches of offsets, event times, stream time.

Here: what orders messages and dates them, for plans, labels and state.
Not here: Kafka's clients (`fraud_platform.adapters.kafka`), what a message says
(`fraud_platform.rows`).
"""
