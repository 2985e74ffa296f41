"""Each section of docs/extending.md, done as written in a copy of the package, works.

Here: the extensions, run through the same functions as the platform runs them.
Not here: how the page is read and applied (`fraud_platform_tests.extended_code`).
"""

from __future__ import annotations

from pathlib import Path

from fraud_platform_tests.extended_code import extended_code, run_extended

METRIC = """
from datetime import date
import matplotlib.axes
import numpy as np
from sklearn.metrics import precision_score
from fraud_platform.comparison.bootstrap import compare_models
from fraud_platform.comparison.forest_plot import forest_plot
from fraud_platform.comparison.inputs import ComparisonConfig
from fraud_platform.comparison.report import ab_report_table
from fraud_platform.defs.assets import comparison
from fraud_platform.settings import Settings
from fraud_platform_tests.oracles.scored_customers import scored_rows

rows, candidate, champion = scored_rows(np.random.default_rng(7), 900, 500)
result = compare_models(rows, candidate, champion, ComparisonConfig(resamples=200, k=20))

value = {e.role: e.value for e in result.estimates if e.metric == "alert_precision"}
for model, role in ((candidate, "candidate"), (champion, "champion")):
    expected = precision_score(rows.is_fraud, model.probability >= model.threshold)
    assert abs(value[role] - expected) < 1e-12, (role, value, expected)
assert np.isnan(value["never_fraud"])
(difference,) = (d for d in result.differences
                 if d.metric == "alert_precision" and d.against == "champion")
assert abs(difference.value - (value["candidate"] - value["champion"])) < 1e-12
assert difference.low <= difference.value <= difference.high
assert difference.p_value <= difference.p_value_holm <= 1

assert str(result).count("precision at threshold") == 2
assert result.as_markdown().count("| precision at threshold |") == 2
figures = result.metrics()
assert figures["candidate.alert_precision"] == value["candidate"]
assert "candidate_less_champion.alert_precision.p_holm" in figures
stored = {(r["subject"], r["metric"]): r["value"]
          for r in ab_report_table(result, date(2018, 7, 30), "r").to_pylist()}
assert stored["candidate", "alert_precision"] == value["candidate"]
assert stored["candidate_less_champion", "alert_precision"] == difference.value
page = comparison._metadata(Settings(), result, "", b"", 2)
assert abs(page["candidate_alert_precision"] - value["candidate"]) < 1e-3, page

drawn, write = [], matplotlib.axes.Axes.text
def recorded(axes, x, y, words, *args, **kwargs):
    drawn.append(words)
    return write(axes, x, y, words, *args, **kwargs)
matplotlib.axes.Axes.text = recorded
forest_plot(result)
at = drawn.index("precision at threshold")
assert drawn[at + 2] == difference.metric.show_difference(
    difference.value, difference.low, difference.high), drawn[at:at + 4]
"""


def test_a_metric_added_as_the_page_says_is_in_every_form_of_the_report(tmp_path: Path) -> None:
    code = extended_code(tmp_path, "A metric of the A/B report")
    run_extended(code, METRIC)
