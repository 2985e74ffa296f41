"""What requests runs: sensors, schedules, the run queue, and requests that are repeated.

Here: one module a kind of request or of upkeep.
Not here: assets (`fraud_platform.defs.assets`), which days and weeks are due
(`fraud_platform.calendar`).
"""
