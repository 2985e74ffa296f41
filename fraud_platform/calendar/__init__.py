"""The calendar of the data: the days that it covers, and what is due.

Here: days of drops, the watermark, days, weeks and hours that are due.
Not here: stream time (`fraud_platform.stream`), requesting runs (`fraud_platform.defs.automation`).
"""
