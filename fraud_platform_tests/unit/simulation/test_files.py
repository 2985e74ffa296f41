"""Drops as files: layout, determinism, atomic writing, interruption."""

from __future__ import annotations

import gzip
import lzma
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Literal

import pytest
import zstandard

from fraud_platform.contracts.drop_names import drop_of
from fraud_platform.contracts.drops import HEADER
from fraud_platform.errors import SettingsError
from fraud_platform.simulation import DirtRates, DropLayout, SimulationConfig, simulate_drops
from fraud_platform.simulation import lines as lines_module
from fraud_platform.simulation.files import DropFile
from fraud_platform_tests.testing.waiting import wait_for

SMALL = SimulationConfig(
    customers=300, terminals=300, days=25, drop_days=10, dirt=DirtRates().scaled(3_000)
)


def contents(folder: Path) -> dict[str, bytes]:
    """Return the content of every file in a folder by path, including hidden files."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


def test_drops_are_named_by_their_first_day_and_the_last_may_be_short(tmp_path: Path) -> None:
    drops = simulate_drops(SMALL, tmp_path)
    assert [drop.drop for drop in drops] == ["2018-04-01", "2018-04-11", "2018-04-21"]
    assert [drop_of(drop.path.name) for drop in drops] == [drop.drop for drop in drops]
    rows = [line.split(",") for line in drops[2].path.read_text("latin-1").splitlines()]
    days = {row[1][:10] for row in rows if len(row) == 9}
    assert days >= {f"2018-04-{day}" for day in range(21, 26)}
    assert "2018-04-20" not in days


def test_rows_are_in_order_of_time_with_ids_that_run_on_across_drops(tmp_path: Path) -> None:
    drops = simulate_drops(replace(SMALL, dirt=DirtRates.none()), tmp_path)
    rows = [line.split(",") for d in drops for line in d.path.read_text().splitlines()[1:]]
    assert [int(row[0]) for row in rows] == list(range(len(rows)))
    assert [row[1] for row in rows] == sorted(row[1] for row in rows)
    for row in rows[::97]:
        elapsed = datetime.fromisoformat(row[1]) - datetime(2018, 4, 1)
        assert timedelta(seconds=int(row[5])) == elapsed
        assert int(row[6]) == elapsed.days
        assert int(row[7]) == (int(row[8]) > 0)


def test_bytes_do_not_depend_on_workers_or_blocks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    simulate_drops(SMALL, tmp_path / "a/landing", tmp_path / "a/truth", workers=1)
    monkeypatch.setattr(lines_module, "BLOCK_ROWS", 37)
    simulate_drops(SMALL, tmp_path / "b/landing", tmp_path / "b/truth", workers=5)
    assert contents(tmp_path / "a") == contents(tmp_path / "b")


def test_first_drops_are_the_same_in_a_longer_simulation(tmp_path: Path) -> None:
    simulate_drops(replace(SMALL, days=20), tmp_path / "short")
    simulate_drops(replace(SMALL, days=30), tmp_path / "long")
    short, longer = contents(tmp_path / "short"), contents(tmp_path / "long")
    assert len(short) == 2
    assert short.items() < longer.items()


def test_progress_adds_up_to_the_simulated_rows(tmp_path: Path) -> None:
    seen: list[int] = []
    config = replace(SMALL, dirt=DirtRates.none())
    drops = simulate_drops(config, tmp_path, progress=seen.append)
    assert sum(seen) == sum(drop.rows_read for drop in drops)
    assert len(seen) == config.days


def test_expected_rows_are_close_to_the_simulated_rows(tmp_path: Path) -> None:
    config = SimulationConfig(days=3)
    (drop,) = simulate_drops(config, tmp_path)
    assert abs(drop.rows_read / config.expected_rows - 1) < 0.03


def test_a_drop_summarises_its_content_in_one_line(tmp_path: Path) -> None:
    config = SimulationConfig(
        customers=300, days=2, dirt=replace(DirtRates.none(), bad_label=0.01), seed=3
    )
    (drop,) = simulate_drops(config, tmp_path)
    assert str(drop).startswith(f"2018-04-01.txt: {drop.rows_read:,} rows, 0.1 MB, ")
    assert str(drop).endswith(f"; bad_label {drop.rows_quarantined}")


@pytest.mark.parametrize(
    ("layout", "header"),
    [
        (DropLayout(), HEADER),
        (DropLayout("corrected"), HEADER.replace("tranaction", "transaction")),
        (DropLayout("bare"), HEADER[2:].replace("tranaction", "transaction")),
        (DropLayout("commas"), HEADER[2:].replace("tranaction", "transaction").replace(" | ", ",")),
    ],
)
def test_header_variants(tmp_path: Path, layout: DropLayout, header: str) -> None:
    config = SimulationConfig(customers=20, terminals=100, days=1, layout=layout)
    (drop,) = simulate_drops(config, tmp_path)
    assert drop.path.read_text().splitlines()[0] == header


def test_layout_changes_line_endings_and_not_the_lines(tmp_path: Path) -> None:
    plain = SimulationConfig(customers=200, terminals=200, days=3)
    layout = DropLayout(crlf=True, byte_order_mark=True, final_newline=False)
    (one,) = simulate_drops(plain, tmp_path / "plain")
    (other,) = simulate_drops(replace(plain, layout=layout), tmp_path / "other")
    text = one.path.read_bytes()
    assert text.endswith(b"\n")
    expected = b"\xef\xbb\xbf" + text.removesuffix(b"\n").replace(b"\n", b"\r\n")
    assert other.path.read_bytes() == expected


@pytest.mark.parametrize(
    ("suffix", "decompress"),
    [
        (".gz", gzip.decompress),
        (".xz", lzma.decompress),
        (".zst", lambda data: zstandard.ZstdDecompressor().decompressobj().decompress(data)),
    ],
)
def test_compressed_drop_holds_the_same_text(
    tmp_path: Path,
    suffix: Literal[".gz", ".xz", ".zst"],
    decompress: Callable[[bytes], bytes],
) -> None:
    plain = SimulationConfig(customers=200, terminals=200, days=3)
    (one,) = simulate_drops(plain, tmp_path)
    config = replace(plain, layout=DropLayout(compression=suffix))
    (other,) = simulate_drops(config, tmp_path)
    assert other.path.name == f"2018-04-01.txt{suffix}"
    first = other.path.read_bytes()
    assert decompress(first) == one.path.read_bytes()
    simulate_drops(config, tmp_path)
    assert other.path.read_bytes() == first


def test_truth_inside_the_landing_zone_is_refused(tmp_path: Path) -> None:
    for truth in (tmp_path, tmp_path / "truth"):
        with pytest.raises(SettingsError, match="lies in the landing folder"):
            simulate_drops(SMALL, tmp_path, truth)


def test_a_failure_keeps_the_old_files_and_leaves_no_part_of_the_new_ones(tmp_path: Path) -> None:
    simulate_drops(SMALL, tmp_path / "landing", tmp_path / "truth")
    before = contents(tmp_path)

    def fail_in_second_drop(rows: int) -> None:
        raise OSError("no space left on device")

    with pytest.raises(OSError, match="no space"):
        simulate_drops(
            replace(SMALL, seed=1), tmp_path / "landing", tmp_path / "truth", fail_in_second_drop
        )
    assert contents(tmp_path) == before


SCRIPT = """
import sys
from pathlib import Path
from fraud_platform.simulation import SimulationConfig, simulate_drops

config = SimulationConfig(customers=20_000, days=200, drop_days=4)
simulate_drops(config, Path(sys.argv[1]), Path(sys.argv[2]))
"""


def stop_midway(tmp_path: Path, with_signal: int) -> dict[str, bytes]:
    """Run a long simulation, send a signal after two drops, and return all files."""
    landing, truth = tmp_path / "landing", tmp_path / "truth"
    process = subprocess.Popen(
        [sys.executable, "-c", SCRIPT, str(landing), str(truth)],
        stderr=subprocess.DEVNULL,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),  # noqa: PLW1509 - the child must not share the group
    )
    try:
        wait_for((landing / "2018-04-05.txt").exists, process=process, every=0.01)
        process.send_signal(with_signal)
        assert process.wait(30) != 0
    finally:
        process.kill()
    return contents(tmp_path)


def assert_whole_drops_only(left: dict[str, bytes], tmp_path: Path) -> None:
    drops = sorted(name for name in left if name.startswith("landing/2"))
    config = SimulationConfig(customers=20_000, days=4 * len(drops), drop_days=4)
    simulate_drops(config, tmp_path / "again")
    assert 2 <= len(drops) < 50
    for name in drops:
        again = tmp_path / "again" / name.removeprefix("landing/")
        assert left[name] == again.read_bytes()
        assert f"truth/{name[8:18]}.truth.parquet" in left


def test_ctrl_c_leaves_whole_drops_and_nothing_half_written(tmp_path: Path) -> None:
    left = stop_midway(tmp_path, signal.SIGINT)
    assert not [name for name in left if "/." in name]
    assert_whole_drops_only(left, tmp_path)


def test_an_interruption_before_a_file_s_block_leaves_nothing_half_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened = DropFile.__init__

    def interrupted(file: DropFile, path: Path, layout: DropLayout) -> None:
        opened(file, path, layout)
        if path.name.startswith("2018-04-05"):
            file._file.close()  # as the interpreter does when nothing holds it any more
            raise KeyboardInterrupt

    monkeypatch.setattr(DropFile, "__init__", interrupted)
    with pytest.raises(KeyboardInterrupt):
        simulate_drops(SimulationConfig(customers=100, days=8, drop_days=4), tmp_path)
    assert list(contents(tmp_path)) == ["2018-04-01.txt"]


def test_kill_leaves_whole_drops_and_only_hidden_parts(tmp_path: Path) -> None:
    left = stop_midway(tmp_path, signal.SIGKILL)
    assert_whole_drops_only({k: v for k, v in left.items() if "/." not in k}, tmp_path)
