"""Spark, by one URL: sessions here, on a warm server, on clusters that live or are made for a job.

Here: opening sessions, what goes wrong in them, the warm server, clusters.
Not here: what is computed in a session (the stage packages).
"""
