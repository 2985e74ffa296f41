"""Each section of docs/extending.md, done as written in a copy of the package, works.

Here: the extensions, run through the same functions as the platform runs them.
Not here: how the page is read and applied (`fraud_platform_tests.testing.extended_code`).
"""

from __future__ import annotations

from pathlib import Path

from fraud_platform_tests.testing.extended_code import extended_code, run_extended
from fraud_platform_tests.testing.worlds.scoring import train_small

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


REASON = """
import io, json, sys
import numpy as np
import polars as pl
from rich.console import Console
from docs.generators.kept import kept_files
from fraud_platform.adapters.tables.lake import Lake
from fraud_platform.contracts.dead_letter_reasons import DEAD_LETTER_REASONS
from fraud_platform.reporting.terminal import _print_live
from fraud_platform.scoring.messages.decode import decode, judge_message
from fraud_platform.tables.scoring import SCORED
from fraud_platform_tests.testing.worlds.dates import Dated, Topic, dead, score_in_process
from fraud_platform_tests.testing.worlds.scoring import stream_rows

def spaced(value):
    return value.replace(b", ", b" , ")

rows = stream_rows(600, seed=5)
is_test = np.arange(rows.height) % 7 == 0
terminal = np.where(is_test, 900_000 + np.arange(rows.height), rows["terminal_id"].to_numpy())
rows = rows.with_columns(terminal_id=pl.Series(terminal))
topic = Topic(Dated(rows, rows["tx_datetime"].dt.epoch("ms").to_numpy() + 1_000, set()))
for messages in topic.messages.values():
    messages.values[::2] = map(spaced, messages.values[::2])
lake = Lake(sys.argv[2])
counts = score_in_process(lake, topic, sys.argv[1], 200)

letters = dead(lake)
refused = set(rows["transaction_id"].to_numpy()[is_test])
description = "terminal_id is 900,000 or more, the numbers of test terminals"
assert set(letters.index) == refused and len(letters) == len(refused)
assert set(letters["reason"]) == {"test_terminal"}, letters["reason"].value_counts()
assert all(list(reasons) == ["test_terminal"] for reasons in letters["reasons"])
assert set(letters["detail"]) == {description}
assert sum(batch.get("dead_test_terminal", 0) for batch in counts) == len(refused)
kept = lake.read_arrow(SCORED, columns=["transaction_id"])["transaction_id"].to_pylist()
assert sorted(kept) == sorted(set(rows["transaction_id"].to_list()) - refused)

value = json.dumps({"transaction_id": 1, "tx_datetime": "2018-07-30 00:00:41", "customer_id": 5,
                    "terminal_id": 900_000, "tx_amount": -1}).encode()
assert judge_message(b"5", value).reasons == ("non_positive_amount",)
assert DEAD_LETTER_REASONS.index("wrong_key") < DEAD_LETTER_REASONS.index("test_terminal")
assert DEAD_LETTER_REASONS.index("test_terminal") < DEAD_LETTER_REASONS.index("time_ahead")

out = io.StringIO()
_print_live(Console(file=out, width=200), lake)
assert f"Dead letters: {len(refused)} test_terminal" in out.getvalue(), out.getvalue()
(contract,) = (text for path, text in kept_files().items() if path.name == "contract.md")
assert f"| `test_terminal` | {description} |" in contract
"""


def test_a_reason_added_as_the_page_says_refuses_messages_in_both_paths(tmp_path: Path) -> None:
    model = train_small(tmp_path / "model")
    code = extended_code(tmp_path / "code", "A dead-letter reason")
    run_extended(code, REASON, str(model), str(tmp_path / "lake"))
