"""Spark sessions: local, on the warm Connect server, or on existing or ephemeral clusters.

Here: opening sessions by URL, translating Spark's errors, the warm server, clusters.
Not here: what is computed in a session (the stage packages).
"""
