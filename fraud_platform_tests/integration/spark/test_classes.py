"""The archive of Spark's classes: made by a real session, used by the next one."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from fraud_platform.adapters.spark.session import class_archive
from fraud_platform.settings import Settings
from fraud_platform_tests.testing.home import STATE

QUERY = """
import sys
from pathlib import Path
import pyarrow as pa
from deltalake import write_deltalake
from fraud_platform.adapters.spark import session
from fraud_platform.settings import Settings

settings = Settings(home=Path(sys.argv[1]), spark_memory="1g")
conf = session.local_conf(settings)
conf["spark.driver.extraJavaOptions"] += f" -Xlog:class+load:file={sys.argv[2]}"
spark = session.open_session(settings, "local[1]", conf)
write_deltalake(sys.argv[3], pa.table({"id": range(10)}))
print(spark.read.format("delta").load(sys.argv[3]).count())
"""
ARCHIVED = "source: shared objects file (top)"


def test_a_session_takes_spark_and_delta_from_the_archive(tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir()
    # through a link, as homes of one machine share their jars
    (home / "jars").symlink_to(STATE / "jars")
    archive = class_archive(Settings(home=home))
    assert archive.path.parent == home / "jars"
    assert archive.path.name == class_archive(Settings(home=STATE)).path.name
    assert archive.path.stat().st_size > 50 << 20, "make jars makes it"
    log, table = tmp_path / "classes.log", tmp_path / "table"
    command = (sys.executable, "-c", QUERY, str(home), str(log), str(table))
    done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    assert done.stdout == "10\n", "nothing that Java says of archives reaches the terminal"
    loaded = log.read_text().splitlines()
    for package in (" org.apache.spark.", " org.apache.spark.sql.delta.", " java."):
        ours = [line for line in loaded if package in line and "Lambda" not in line]
        archived = sum("shared objects file" in line for line in ours)
        assert archived > 0.8 * len(ours), f"{package}: {archived} of {len(ours)}"
    assert sum(ARCHIVED in line for line in loaded) > 5_000
