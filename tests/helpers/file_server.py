"""A server of files in memory on this machine, which can fail in chosen ways."""

import contextlib
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class FileServer:
    """Files by path, such as `/presets/one/preset.json`.

    `statuses` has the status of some paths in place of 200, `redirects` where some
    paths lead, `cut` after how many bytes the connection is lost, and `requests` what
    was asked for.
    """

    def __init__(self):
        self.files, self.statuses, self.redirects, self.cut = {}, {}, {}, {}
        self.requests = []
        self.url = ""

    def answer(self, handler):
        path = handler.path
        self.requests.append(path)
        if path in self.redirects:
            handler.send_response(302)
            handler.send_header("Location", self.redirects[path])
            handler.end_headers()
            return
        status = self.statuses.get(path, 200 if path in self.files else 404)
        content = self.files.get(path, b"") if status == 200 else b"no"
        reply(handler, content[: self.cut.get(path)], status, size=len(content))
        # Else the client waits for what is missing.
        handler.close_connection = True


def reply(handler, content, status=200, size=None, **headers):
    """Sends a response; names of headers have `_` for `-`."""
    handler.send_response(status)
    for name, value in headers.items():
        handler.send_header(name.replace("_", "-"), value)
    handler.send_header("Content-Length", str(len(content) if size is None else size))
    handler.end_headers()
    if handler.command != "HEAD":
        handler.wfile.write(content)


@contextlib.contextmanager
def running(server):
    """Answers requests on a free port of this machine; sets `server.url`."""

    class Server(ThreadingHTTPServer):
        daemon_threads = True

        def handle_error(self, *_):  # of clients that hang up
            pass

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self):
            server.answer(self)

        do_HEAD = do_POST = do_GET  # noqa: N815

        def log_message(self, *_):
            pass

    http = Server(("127.0.0.1", 0), Handler)
    server.url = f"http://127.0.0.1:{http.server_port}"
    thread = threading.Thread(target=http.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield server
    finally:
        http.shutdown()
        http.server_close()
