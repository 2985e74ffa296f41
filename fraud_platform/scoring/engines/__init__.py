"""The two scoring engines, and the micro-batch that both compute.

Here: scoring in process and in Spark tasks, with equal bits.
Not here: committing and publishing (`fraud_platform.scoring.scorer`), reading messages
(`fraud_platform.scoring.messages`).
"""
