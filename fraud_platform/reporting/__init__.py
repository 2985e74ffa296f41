"""What people look at: plots, profiles and tables made from values that stages computed.

Here: the common look of plots (`plots`), the profile of a drop (`profile`), and the figures that
show a result.
Not here: computing a model's metrics or a comparison (`fraud_platform.training`,
`fraud_platform.comparison`), or handing a figure to Dagster or MLflow (`fraud_platform.defs`).
"""
