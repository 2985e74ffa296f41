"""The computation of features on numpy arrays, shared by the batch engine and the live state.

Here: the kernel, windows, tiles, and the passes over customers and terminals.
Not here: Spark (`fraud_platform.features.batch`), state that is kept between rows
(`fraud_platform.features.live`).
"""
