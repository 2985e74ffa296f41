"""Features of days of history, computed by Spark.

Here: the inputs of days, the tasks of both passes, the files they write.
Not here: the arithmetic (`fraud_platform.features.compute`), which days are due
(`fraud_platform.calendar`).
"""
