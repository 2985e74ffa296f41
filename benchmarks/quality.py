"""Quality of the declared features on the Handbook's four folds, for docs/benchmarks.md.

Here: running the measurement on the drops in FRAUD_REAL_DROPS and writing its table.
Not here: folds and metrics (`fraud_platform.training.quality`).
"""

from __future__ import annotations

import argparse
import os
from pathlib import Path

from benchmarks.report import markdown_table, write_section
from fraud_platform.operations.models.quality import measure_quality
from fraud_platform.settings import load_settings
from fraud_platform.training.boosted_trees import PARAMETERS, ROUNDS


def main() -> None:
    parser = argparse.ArgumentParser(description="Quality on the Handbook's four folds.")
    default = os.environ.get("FRAUD_REAL_DROPS")
    parser.add_argument("--drops", type=Path, default=default, required=default is None)
    report = measure_quality(load_settings(), Path(parser.parse_args().drops))
    print(report)
    rows = [[name, *(f"{value:.4f}" for value in report.mean(name))] for name in report.folds]
    header = ["features, averages over the folds", "AUC ROC", "average precision", "CP@100"]
    write_section(
        "Quality",
        "`python -m benchmarks.quality` (the folds one by one: `fraud-platform bench quality "
        "--drops DIR`). Real drops, train 7 days, gap 7, test 7, from 2018-06-13, -20, -27, 07-04; "
        f"XGBoost of depth {PARAMETERS['max_depth']}, {ROUNDS} trees, learning rate "
        f"{PARAMETERS['learning_rate']}.\n\n" + markdown_table(header, rows),
    )


if __name__ == "__main__":
    main()
