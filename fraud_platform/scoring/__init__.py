"""The scoring stage: messages to scored rows, once each.

Here: decoding messages, duplicates, batching, scoring rows, reasons for alerts.
Not here: features (`fraud_platform.features`), models (`fraud_platform.training`), Kafka and the
lake (`fraud_platform.adapters`), runs and sensors (`fraud_platform.defs`).
"""
