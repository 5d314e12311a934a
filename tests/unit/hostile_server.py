"""A web server on loopback that misbehaves on purpose, one way per path."""

import ssl
import subprocess
import threading
import time
from contextlib import contextmanager
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

STALL = 3.0  # seconds; longer than the tests' patience


class Handler(BaseHTTPRequestHandler):
    """Answers ``/<behaviour>`` with the server's ``content``, in that behaviour's way."""

    protocol_version = "HTTP/1.1"

    def do_GET(self):
        name = self.path.strip("/")
        self.server.requests.append((name, self.headers.get("Range")))
        self.count = sum(asked == name for asked, _ in self.server.requests)
        self.close_connection = True
        getattr(self, name)()

    def end_headers(self):
        self.send_header("Connection", "close")
        super().end_headers()

    def log_message(self, *_):
        pass

    # --- well behaved

    def good(self):
        start = self._start()
        self._head(start)
        self.wfile.write(self.server.content[start:])

    def no_range(self):
        self._head(0, **{"Accept-Ranges": "none"})
        self.wfile.write(self.server.content)

    def redirect(self):
        self._status(302, Location="/good")

    # --- cut off

    def drop(self):
        """Breaks off after a third of the file, each time; goes on when asked to."""
        start = self._start()
        self._head(start)
        self.wfile.write(self.server.content[start : start + len(self.server.content) // 3 + 1])

    def drop_once_no_range(self):
        self._head(0)
        half = len(self.server.content) // 2
        self.wfile.write(self.server.content[: half if self.count == 1 else None])

    def drop_always_no_range(self):
        self._head(0)
        self.wfile.write(self.server.content[: len(self.server.content) // 2])

    def changed_meanwhile(self):
        """Breaks off, then has another file under another ETag."""
        if self.count == 1:
            self.server.etag, honest = '"old"', self.server.content
            self._head(0)
            self.wfile.write(b"#" * (len(honest) // 2))
            self.server.etag = '"new"'
        else:
            self.good()

    def wrong_range(self):
        """Breaks off, then answers a range that was not asked for."""
        content = self.server.content
        if self.count == 1:
            return self.drop()
        if self.headers.get("Range") is None:
            return self.good()
        self._status(
            206, body=content[5:], **{"Content-Range": f"bytes 5-{len(content) - 1}/{len(content)}"}
        )

    def ignored_range(self):
        """Says 206 and gives the whole file all the same, without saying which part it is."""
        if self.count == 1:
            return self.drop()
        if self.headers.get("Range") is None:
            return self.good()
        self._status(206, body=self.server.content)

    def stall(self):
        self._head(0)
        self.wfile.write(self.server.content[:1000])
        self.wfile.flush()
        time.sleep(STALL)

    def no_length(self):
        self.send_response(200)
        self.end_headers()
        self.wfile.write(self.server.content)

    # --- wrong files

    def wrong_length(self):
        self._status(200, body=self.server.content + b"more")

    def wrong_content(self):
        self._status(200, body=bytes(len(self.server.content)))

    def web_page(self):
        self._status(200, body=b"<html>This domain is for sale</html>")

    def encoded(self):
        self._status(200, body=b"\x1f\x8b", **{"Content-Encoding": "gzip"})

    # --- refusals

    def missing(self):
        self._status(404)

    def loop(self):
        self._status(302, Location="/loop")

    def to_file(self):
        self._status(302, Location="file:///etc/hostname")

    def busy(self):
        """429 with a number of seconds, then 503 with a date, then 500, then the file."""
        date = formatdate(time.time() - 5, usegmt=True)
        answers = [(429, {"Retry-After": "0"}), (503, {"Retry-After": date}), (500, {})]
        if self.count > len(answers):
            return self.good()
        code, headers = answers[self.count - 1]
        self._status(code, **headers)

    def wait_a_second(self):
        if self.count == 1:
            return self._status(503, **{"Retry-After": "1"})
        self.good()

    def come_back_tomorrow(self):
        self._status(429, **{"Retry-After": "86400"})

    def broken(self):
        self._status(500)

    def range_refused(self):
        if self.count == 1:
            return self.drop()
        if self.headers.get("Range") is not None:
            return self._status(416)
        self.good()

    # --- pieces

    def _start(self):
        asked = self.headers.get("Range")
        same = self.headers.get("If-Range") in (None, self.server.etag)
        return int(asked.removeprefix("bytes=").rstrip("-")) if asked and same else 0

    def _head(self, start, **headers):
        size = len(self.server.content)
        self.send_response(206 if start else 200)
        if start:
            self.send_header("Content-Range", f"bytes {start}-{size - 1}/{size}")
        self.send_header("ETag", self.server.etag)
        self.send_header("Content-Length", str(size - start))
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()

    def _status(self, code, body=b"", **headers):
        self.send_response(code)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


class Server(ThreadingHTTPServer):
    daemon_threads = True
    scheme = "http"

    def url(self, behaviour):
        return f"{self.scheme}://127.0.0.1:{self.server_port}/{behaviour}"

    def ranges(self):
        """The Range headers of all requests so far."""
        return [asked for _, asked in self.requests]

    def handle_error(self, request, client_address):
        """Clients that hang up are what these tests are about."""


@contextmanager
def serve(content, certificate=None):
    """A running server that has ``content``; over TLS when a certificate is given."""
    server = Server(("127.0.0.1", 0), Handler)
    server.content, server.requests, server.etag = content, [], '"one"'
    if certificate is not None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*certificate)
        server.socket = context.wrap_socket(server.socket, server_side=True)
        server.scheme = "https"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def self_signed(folder):
    """A certificate that nobody vouches for, and its key."""
    paths = folder / "cert.pem", folder / "key.pem"
    command = "openssl req -x509 -newkey rsa:2048 -nodes -days 1 -subj /CN=127.0.0.1"
    files = ["-out", paths[0], "-keyout", paths[1]]
    subprocess.run([*command.split(" "), *files], check=True, capture_output=True)
    return paths
