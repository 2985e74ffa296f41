"""One constant names the day of the week; everything else follows it."""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path

from fraud_platform.calendar.retraining_day import first_retraining_day, last_retraining_day
from fraud_platform_tests.testing.extended_code import copied_code, run_extended

ON_THURSDAYS = """
from datetime import date, timedelta
from fraud_platform.calendar.due import possible_weeks
from fraud_platform.calendar.span import DataSpan
from fraud_platform.cli.commands import KnowledgeDate
from fraud_platform.defs.partitions import WEEKS
from fraud_platform.errors import NotEnoughDataError
from fraud_platform.operations.reach import require_week

start, end = date(2018, 4, 1), date(2018, 8, 1)
weeks = possible_weeks(start, end, 7)
assert weeks and {day.weekday() for day in weeks} == {3}, weeks
span = DataSpan(first_day=start, end=end)
assert span.first_week == weeks[0]
assert span.end_of_weeks == weeks[-1] + timedelta(days=7)
keys = WEEKS.get_partition_keys()
assert keys and {date.fromisoformat(key).weekday() for key in keys} == {3}, keys[:3]
try:
    require_week(date(2018, 6, 4), {start + timedelta(days=n): "x" for n in range(120)})
except NotEnoughDataError as error:
    assert "expected a Thursday from" in str(error), error
else:
    raise AssertionError("a Monday was accepted")
"""


def test_a_day_is_its_own_first_and_last_retraining_day() -> None:
    monday = date(2018, 7, 30)
    for n in range(7):
        assert first_retraining_day(monday - timedelta(days=n)) == monday
        assert last_retraining_day(monday + timedelta(days=n)) == monday


def test_another_day_in_that_one_place_moves_weeks_partitions_and_messages(tmp_path: Path) -> None:
    code = copied_code(tmp_path)
    path = code / "fraud_platform" / "calendar" / "retraining_day.py"
    text = path.read_text()
    assert text.count("RETRAINING_DAY = MONDAY\n") == 1
    path.write_text(text.replace("RETRAINING_DAY = MONDAY\n", "RETRAINING_DAY = THURSDAY\n"))
    run_extended(code, ON_THURSDAYS)
