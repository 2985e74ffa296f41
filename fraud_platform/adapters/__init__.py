"""The outside world, a folder for each system, with errors translated at that edge.

Here: Kafka, Spark, storage, Delta tables, MLflow, the services and the JVM that runs some of them.
Not here: what the data means (the stage packages) or when it moves (`fraud_platform.defs`).
"""
