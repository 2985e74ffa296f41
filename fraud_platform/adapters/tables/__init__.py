"""The lake: Delta tables by URL.

Here: reading and committing, appending under numbers that are used once, files that Spark writes
for a commit, keeping tables small.
Not here: what the rows mean (`contracts.tables`).
"""
