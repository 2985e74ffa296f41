"""Who is champion, from when, and why.

Here: the promotion history as values, the decision on a verdict, approval and rollback.
Not here: the verdict (`fraud_platform.comparison`), storing the history and moving the alias
(`fraud_platform.defs`).
"""
