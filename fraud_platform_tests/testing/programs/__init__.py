"""Programs that tests run as processes of their own, to kill, stop or point at a cluster.

Here: one module a program, run with `python -m`.
Not here: who starts them (`fraud_platform_tests.testing.worlds`).
"""
