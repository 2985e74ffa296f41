"""Training: turns the labelled rows of a knowledge date into a calibrated model with a threshold.

Here: the time split (`splits`), the rows (`training_set`, `later_labels`), the estimators
(`estimators`, `fitting`, `boosted_trees`, `forest`, `forest_trees`, `forest_shap`), `calibration`,
`thresholds`, the complete model with saving and loading (`candidate`), its metrics and plots
(`curves`, `plots`), and the benchmark on prequential folds (`quality`).
Not here: features (`fraud_platform.features`), which model becomes champion (`comparison`,
`promotion`), MLflow (`adapters.models.registry`).
"""
