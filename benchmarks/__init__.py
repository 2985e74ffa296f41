"""Benchmarks: contenders in turn in one run, CPU seconds and ratios, figures in docs/benchmarks.md.

Here: one module a subject; `python -m benchmarks` runs them all but the soak.
Not here: tests; a benchmark never fails for being slow.
"""
