"""Features: hourly integer tiles, the one declaration, its numpy kernel and its Spark engine.

Here: `expressions` and `terms` (what a formula is made of), `declarables` (what can be declared:
features, flags, measures of tiles), `declaration` (every feature, once), `windows` and `kernel`
(numpy, shared by every engine), `tiles` and `engine` (Spark DataFrames in and out), `materialize`
(days of the lake), `live` (the state from which single transactions are scored).
Not here: the tables' contracts (`contracts.feature_tables`), which features a model takes
(`training`), Dagster assets (`defs`).
"""
