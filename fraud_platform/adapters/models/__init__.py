"""MLflow: runs, models, aliases, artifacts.

Here: the registry, its server elsewhere, artifacts on HDFS, the entry of a logged model.
Not here: training (`fraud_platform.training`), promotion (`fraud_platform.promotion`).
"""
