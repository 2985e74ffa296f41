"""Training: labelled rows of a knowledge date to a calibrated model with its alert threshold.

Here: `splits` (which days are for what), `training_set` (rows, by Spark), `estimators`,
`boosted_trees` and `forest` (models), `calibration`, `thresholds`, `candidate` (all of it
together, saved and loaded), `plots`, `quality` (the benchmark on prequential folds).
Not here: features (`fraud_platform.features`), who becomes champion (`comparison`, `promotion`),
MLflow (`adapters.models.registry`).
"""
