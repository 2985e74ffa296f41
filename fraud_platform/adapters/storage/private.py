"""Files of this machine that its other users may not read.

Here: the mode of new files, and of the folders that hold customers' rows.
Not here: who may reach S3, HDFS, Kafka or the pages (`docs/server.md`).

Raw rows, quarantine and the lake are customers' data. New files get no right for others, and the
folders at the top none either, so that what lies in them from before is closed as well.
"""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

from fraud_platform.adapters.storage.schemes import local_path
from fraud_platform.settings import Settings

_OTHERS, _OTHERS_READ = 0o007, 0o004
_OWNER_ALONE = 0o077


def keep_private(settings: Settings) -> None:
    """Deny this machine's other users what this process writes, and what is there already.

    A umask that denies others to read is an administrator's choice, such as `UMask=0027` of a
    unit, after which the group may read. It stays, and any other umask becomes 077. A landing zone
    outside of FRAUD_HOME is left as it is: other users deliver there.
    """
    umask = os.umask(_OWNER_ALONE)
    umask = umask | _OTHERS if umask & _OTHERS_READ else _OWNER_ALONE
    os.umask(umask)
    places = (str(settings.home), settings.raw, settings.lake, settings.artifacts)
    for folder in (path for url in places if (path := local_path(url)) is not None):
        _close(folder, umask)


def _close(folder: Path, umask: int) -> None:
    """Take the rights that a umask denies from a folder of ours."""
    with suppress(FileNotFoundError):
        found = folder.stat()
        wanted = found.st_mode & 0o7777 & ~umask
        if found.st_uid == os.geteuid() and wanted != found.st_mode & 0o7777:
            folder.chmod(wanted)
