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
from fraud_platform_tests.testing.defaults import comparison as rules
from fraud_platform.comparison.report import ab_report_table
from fraud_platform.defs.assets import comparison
from fraud_platform.settings import Settings
from fraud_platform_tests.oracles.scored_customers import scored_rows

rows, candidate, champion = scored_rows(np.random.default_rng(7), 900, 500)
result = compare_models(rows, candidate, champion, rules(resamples=200, k=20))

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


ESTIMATOR = """
import os, sys
from pathlib import Path
import numpy as np
import pyarrow as pa
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from fraud_platform.adapters.tables.lake import Lake
from fraud_platform.datasets.handbook.features import CHOSEN_NAMES
from fraud_platform.errors import SettingsError
from fraud_platform.operations.choices import CHOICES
from fraud_platform.operations.live.session import load_model
from fraud_platform.operations.models.weeks import fit
from fraud_platform.settings import load_settings
from fraud_platform.tables.scoring import SCORED
from fraud_platform_tests.testing.worlds.dates import Dated, Topic, score_in_process
from fraud_platform_tests.testing.worlds.registry import RegistryWorld, empty_database
from fraud_platform_tests.testing.worlds.scoring import stream_rows
from fraud_platform_tests.testing.worlds.training_rows import labelled_rows

folder = Path(sys.argv[1])
os.environ["FRAUD_ESTIMATOR"] = "oracle"
try:
    load_settings(CHOICES)
except SettingsError as error:
    words = "FRAUD_ESTIMATOR: expected xgboost or random_forest or logistic_regression, found"
    assert words in str(error), error
else:
    raise AssertionError("an unknown estimator was accepted")
os.environ["FRAUD_ESTIMATOR"] = "logistic_regression"
settings = load_settings(CHOICES)

rows = labelled_rows(rows_a_day=600, seed=3)
random = np.random.default_rng(4)
for name in CHOSEN_NAMES:
    rows[name] = random.lognormal(2, 1.5, len(rows)).astype(np.float32)
rows[CHOSEN_NAMES[0]] = np.exp(rows["signal"] + 4).astype(np.float32)
rows[CHOSEN_NAMES[1]] = np.exp(rows["other"] + 2).astype(np.float32)

def no_session():
    raise AssertionError("a session was started for an estimator that needs none")

candidate = fit(pa.Table.from_pandas(rows), settings, no_session)
assert candidate.estimator == "logistic_regression"
held_out = rows[rows["part"] == "threshold"].sort_values("transaction_id")
matrix = held_out[list(CHOSEN_NAMES)].to_numpy(np.float32)
probability = candidate.predict_probability(matrix)
fitted = rows[rows["part"] == "fit"]
oracle = LogisticRegression(max_iter=10_000).fit(
    np.log1p(fitted[list(CHOSEN_NAMES)]), fitted["is_fraud"])
expected = oracle.predict_proba(np.log1p(held_out[list(CHOSEN_NAMES)]))[:, 1]
assert roc_auc_score(held_out["is_fraud"], probability) > 0.85
assert np.corrcoef(candidate.model.predict_score(matrix), expected)[0, 1] > 0.999
alone = [candidate.predict_probability(matrix[i : i + 1])[0] for i in range(200)]
assert alone == list(probability[:200])

candidate.save(folder / "one")
fit(pa.Table.from_pandas(rows.sample(frac=1, random_state=1)), settings, no_session).save(
    folder / "two")
for path in (folder / "one").iterdir():
    assert path.read_bytes() == (folder / "two" / path.name).read_bytes(), path.name

registry = RegistryWorld.make(folder / "home", empty_database(folder)).registry
tags = {"table_version.transaction_features": "1", "table_version.drop_labels": "1"}
version = registry.register(
    "2018-07-16", folder / "one", candidate.feature_names, candidate.parameters,
    candidate.metrics, {}, tags).version
loaded = load_model(registry, version)
assert (loaded.candidate.predict_probability(matrix) == probability).all()
assert loaded.candidate.estimator == "logistic_regression"

stream = stream_rows(400, seed=5)
topic = Topic(Dated(stream, stream["tx_datetime"].dt.epoch("ms").to_numpy() + 1_000, set()))
(folder / "model").mkdir()
for name, content in loaded.files.items():
    (folder / "model" / name).write_bytes(content)
lake = Lake(str(folder / "lake"))
score_in_process(lake, topic, folder / "model", 200)
scored = lake.read_arrow(SCORED).to_pandas()
assert len(scored) == stream.height
features = scored[list(CHOSEN_NAMES)].to_numpy(np.float32)
assert (scored["fraud_probability"] == candidate.predict_probability(features)).all()
assert scored["fraud_probability"].nunique() > 50
"""


def test_an_estimator_added_as_the_page_says_trains_is_stored_and_scores(tmp_path: Path) -> None:
    code = extended_code(tmp_path / "code", "An estimator")
    run_extended(code, ESTIMATOR, str(tmp_path))


SCHEME = """
import os, pickle, sys
from datetime import UTC, datetime
from pathlib import Path
import pyarrow as pa
from deltalake import DeltaTable
from fraud_platform.adapters.storage.files import ByteFiles
from fraud_platform.adapters.storage.private import keep_private
from fraud_platform.adapters.storage.schemes import NasScheme, create_once
from fraud_platform.adapters.storage.zones import open_zone
from fraud_platform.adapters.tables.lake import Lake
from fraud_platform.contracts.zones import read_whole
from fraud_platform.errors import SettingsError
from fraud_platform.operations.choices import CHOICES
from fraud_platform.operations.doctor import check_storage
from fraud_platform.settings import load_settings
from fraud_platform.tables.scoring import INFERENCE_PLANS, SCORED
from fraud_platform_tests.testing.worlds.dates import Dated, Topic, score_in_process
from fraud_platform_tests.testing.worlds.scoring import stream_rows

folder = NasScheme.folder = Path(sys.argv[1])
os.environ["FRAUD_LAKE_URL"] = "nfs://bank/lake"
try:
    load_settings(CHOICES)
except SettingsError as error:
    words = "expected a path, s3://bucket/.., hdfs://host:port/.. or nas://share/.., found nfs://"
    assert words in str(error), error
else:
    raise AssertionError("an unknown scheme was accepted")
for zone in ("landing", "raw", "lake"):
    os.environ[f"FRAUD_{zone.upper()}_URL"] = f"nas://bank/{zone}"
settings = load_settings(CHOICES)
assert settings.lake == "nas://bank/lake"
assert not check_storage(settings)

landing = open_zone(settings.landing, create=True)
sink = landing.begin("2018-04-01.txt")
sink.write(b"a drop")
sink.finish()
sink.publish()
assert [info.name for info in landing.list_files()] == ["2018-04-01.txt"]
assert (folder / "bank/landing/2018-04-01.txt").read_bytes() == b"a drop"
assert read_whole(landing, "2018-04-01.txt") == b"a drop"

files = pickle.loads(pickle.dumps(ByteFiles()))
with files.create(f"{settings.raw}/part/x.bin") as file:
    file.write(b"bytes")
assert (folder / "bank/raw/part/x.bin").read_bytes() == b"bytes"
with files.open_input(f"{settings.raw}/part/x.bin") as file:
    assert file.read() == b"bytes"
assert files.size_bytes(f"{settings.raw}/part/x.bin") == 5
files.remove(f"{settings.raw}/part/x.bin")
assert not (folder / "bank/raw/part/x.bin").exists()
assert create_once(f"{settings.raw}/one.json", b"1")
assert not create_once(f"{settings.raw}/one.json", b"2")
keep_private(settings)

lake = Lake(settings.lake)
plan = {"topic": "t", "topic_id": "T1", "ranges": "{}", "model_version": 1,
        "state_version": "none", "planned_at": datetime.now(UTC), "code_version": "1"}
plans = [{"plan": number, **plan} for number in (1, 2, 3)]
rows = pa.Table.from_pylist(plans, INFERENCE_PLANS.arrow_schema)
lake.replace_arrow(INFERENCE_PLANS, rows, None)
assert Lake(settings.lake).read_arrow(INFERENCE_PLANS).num_rows == 3
path = folder / "bank" / "lake" / INFERENCE_PLANS.name
assert DeltaTable(str(path)).to_pyarrow_table().num_rows == 3
assert lake.version(INFERENCE_PLANS) == DeltaTable(str(path)).version()

stream = stream_rows(300, seed=5)
topic = Topic(Dated(stream, stream["tx_datetime"].dt.epoch("ms").to_numpy() + 1_000, set()))
score_in_process(lake, topic, Path(sys.argv[2]), 100)
scored = DeltaTable(str(folder / "bank" / "lake" / SCORED.name)).to_pyarrow_table()
assert scored.num_rows == stream.height == Lake(settings.lake).read_arrow(SCORED).num_rows
"""


def test_a_scheme_added_as_the_page_says_holds_zones_files_and_tables(tmp_path: Path) -> None:
    model = train_small(tmp_path / "model")
    code = extended_code(tmp_path / "code", "A storage scheme")
    run_extended(code, SCHEME, str(tmp_path / "nas"), str(model))
