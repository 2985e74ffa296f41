"""Requests for runs: sensors, schedules, the run queue, and repeated requests.

Here: one module for each kind of request or maintenance.
Not here: assets (`fraud_platform.defs.assets`), which days and weeks are due
(`fraud_platform.calendar`).
"""
