"""Asset checks: what must hold after a run.

Here: the checks of the batch half and of the inference batches.
Not here: the rules that they check (the stages), assets (`fraud_platform.defs.assets`).
"""
