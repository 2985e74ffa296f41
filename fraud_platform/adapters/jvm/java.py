"""Finding Java and checking its version, with the standard library only.

Here: finding Java as Spark does (JAVA_HOME, else PATH), reading its version. `make` runs this
module before it installs anything, so that a missing Java is reported first.
Not here: the programs that Java runs (`adapters.spark.session`, `adapters.jvm.jars`).
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

MIN_JAVA = 17
REMEDY = (
    f"Install Java {MIN_JAVA} (Debian: apt-get install openjdk-17-jre-headless; macOS: brew "
    "install openjdk@17) or point JAVA_HOME at one."
)
_VERSION = re.compile(r'version "(?:1\.)?(\d+)')


def find_java(environ: Mapping[str, str] = os.environ) -> str | None:
    """Return the path of the java executable that Spark would start, or None."""
    if home := environ.get("JAVA_HOME"):
        return shutil.which(str(Path(home, "bin", "java")))
    return shutil.which("java", path=environ.get("PATH"))


def java_version(java: str) -> int | None:
    """Return the major version of a java executable, or None if it does not run."""
    try:
        done = subprocess.run(
            [java, "-version"], capture_output=True, text=True, timeout=30, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    match = _VERSION.search(done.stderr + done.stdout)
    return int(match[1]) if match else None


def java_problem(environ: Mapping[str, str] = os.environ) -> str | None:
    """Return an error message with a remedy if Java is missing or too old, else None."""
    java = find_java(environ)
    if java is None:
        where = f"JAVA_HOME={home}" if (home := environ.get("JAVA_HOME")) else "the PATH"
        return f"expected Java {MIN_JAVA} or later, found none in {where}. {REMEDY}"
    version = java_version(java)
    if version is None:
        return f"expected Java {MIN_JAVA} or later, but {java} does not run. {REMEDY}"
    if version < MIN_JAVA:
        return f"expected Java {MIN_JAVA} or later, found Java {version} ({java}). {REMEDY}"
    return None


if __name__ == "__main__":
    if problem := java_problem():
        sys.exit(f"Java: {problem}")
