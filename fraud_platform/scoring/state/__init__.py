"""The scorer's state: what it holds, its snapshots, and how it is restored.

Here: the state in memory, recovery from the lake, snapshots, the history that they are made from.
Not here: features of the live state (`fraud_platform.features.live`), labels
(`fraud_platform.labels`).
"""
