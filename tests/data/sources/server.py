"""A file server on loopback that knows ranges, and can misbehave in the ways that real hosts do."""

import hashlib
import http.server
import threading
from contextlib import contextmanager, suppress


class Handler(http.server.BaseHTTPRequestHandler):
    """GET of `server.content`; what else it does is in the attributes of the server."""

    protocol_version = "HTTP/1.1"

    def do_GET(self):
        server, body = self.server, self.server.content
        server.requests.append(self.headers.get("Range"))
        if server.status != 200:
            self.send_response(server.status)
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        tag = f'"{hashlib.sha256(body).hexdigest()[:16]}"'
        asked, start = self.headers.get("Range"), 0
        if asked and server.ranges and self.headers.get("If-Range", tag) == tag:
            start = int(asked.removeprefix("bytes=").rstrip("-"))
            if start >= len(body):
                self.send_response(416)
                self.send_header("Content-Range", f"bytes */{len(body)}")
                self.send_header("Content-Length", "0")
                self.end_headers()
                return
            self.send_response(206)
            self.send_header("Content-Range", f"bytes {start}-{len(body) - 1}/{len(body)}")
        else:
            self.send_response(200)
        self.send_header("ETag", tag)
        if server.tells_length:
            self.send_header("Content-Length", str(len(body) - start))
        else:
            self.close_connection = True
        self.end_headers()
        stop = len(body)
        if server.breaks:
            stop = min(stop, start + server.breaks.pop(0))
            self.close_connection = True
        for at in range(start, stop, server.piece):
            self.wfile.write(body[at : min(at + server.piece, stop)])
            self.wfile.flush()
            if server.pause:
                server.pause.wait(server.seconds)

    def log_message(self, *_):
        pass

    def handle(self):
        with suppress(ConnectionError):  # the reader was killed
            super().handle()


@contextmanager
def serving(content: bytes, **how):
    """Serve `content`; yields the server, whose attributes may change while it runs, and `url`."""
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.content, server.requests, server.status, server.ranges = content, [], 200, True
    server.tells_length, server.breaks, server.piece, server.pause, server.seconds = True, [], 1 << 16, None, 0.0
    for name, value in how.items():
        setattr(server, name, value)
    server.url = f"http://127.0.0.1:{server.server_port}/some/file.bin"
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
