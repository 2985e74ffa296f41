"""Asking a running Dagster UI to load the definitions again.

Here: one request to the web server of this home, if one runs; without one there is nothing to ask.
Not here: when the definitions changed (`fraud_platform.calendar.span`), starting Dagster
(`operations.services.laptop`, `operations.services.server`).
"""

from __future__ import annotations

import json
import logging
import threading
import urllib.request

from fraud_platform.adapters.services.processes import HOST, read_records
from fraud_platform.operations.services.laptop import run_folder
from fraud_platform.settings import Settings

_LOG = logging.getLogger(__name__)
_ANSWER_SECONDS = 60.0
_MUTATION = "mutation { reloadWorkspace { __typename } }"


def web_server_port(settings: Settings) -> int | None:
    """Return the port of this home's Dagster UI; None if none was started here."""
    if settings.dagster_storage_url is not None:
        return settings.dagster_port
    ports = [r.port for r in read_records(run_folder(settings)) if r.name == "dagster"]
    return ports[0] if ports else None


def reload_definitions(settings: Settings) -> threading.Thread | None:
    """Ask the UI to load the definitions again; return the thread that sends the request.

    It does not wait, because the caller may be the code server, which the reload replaces. A UI
    that does not answer shows the old partitions until a user presses Reload; no run depends on it.
    """
    port = web_server_port(settings)
    if port is None:
        return None
    thread = threading.Thread(target=_reload, args=(port,), daemon=True, name="reload-definitions")
    thread.start()
    return thread


def _reload(port: int) -> None:
    request = urllib.request.Request(
        f"http://{HOST}:{port}/graphql",
        json.dumps({"query": _MUTATION}).encode(),
        {"Content-Type": "application/json"},
    )
    try:
        with urllib.request.urlopen(request, timeout=_ANSWER_SECONDS) as answer:
            answer.read()
    except OSError as error:
        _LOG.info("the Dagster UI on port %s did not reload its definitions: %s", port, error)
