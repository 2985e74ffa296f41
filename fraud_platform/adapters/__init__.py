"""The outside world, one module a system, with errors translated at that edge.

Here: Spark sessions, Delta tables, storage, the model registry, jars.
Not here: what the data means (the stage packages) or when it moves (`fraud_platform.defs`).
"""
