"""Small servers in place of the platform's services.

Here: a server that answers, hangs or refuses to end.
Not here: the real services (`integration.test_services_real`).
"""

from __future__ import annotations

import sys

from fraud_platform.adapters.services.processes import (
    Service,
)

SERVER = """
import http.server, os, signal, subprocess, sys, time
port, kind = int(sys.argv[1]), sys.argv[2]
print("a line in the log", flush=True)
if kind == "dies":
    sys.exit(7)
if kind == "stubborn":
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    endless = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(600)"
    subprocess.Popen([sys.executable, "-c", endless], start_new_session=True)
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200); self.end_headers()
        if self.path == "/die": os._exit(9)
    def log_message(self, *_): pass
if kind == "silent":
    time.sleep(600)
http.server.ThreadingHTTPServer(("127.0.0.1", port), Handler).serve_forever()
"""


def fake(name: str, port: int, kind: str = "well-behaved") -> Service:
    return Service(name, (sys.executable, "-c", SERVER, str(port), kind), port)
