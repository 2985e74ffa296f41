"""The scorer's state: its content, its snapshots and its recovery.

Here: the state in memory, recovery from the lake, snapshots, and the history for making them.
Not here: features of the live state (`fraud_platform.features.live`), labels
(`fraud_platform.labels`).
"""
