"""A real FTP server (pyftpdlib) for the tests, which can stop or fail where it is told to.

Usage: server.py ROOT none|explicit|implicit CERTIFICATE PASSWORD

It prints one JSON object a line: first its port, then what happens. Each line on its standard input
is a JSON object with orders for the next transfers; it ends when its standard input does.
"""

import datetime
import errno
import ipaddress
import json
import os
import sys
import threading
import time

from pyftpdlib.authorizers import DummyAuthorizer
from pyftpdlib.handlers import DTPHandler, FTPHandler
from pyftpdlib.servers import ThreadedFTPServer

ROOT, TLS, CERTIFICATE, PASSWORD = sys.argv[1:5]
ORDERS = {}
LOCK = threading.Lock()


def tell(**event):
    with LOCK:
        print(json.dumps(event), flush=True)


def take(order):
    return ORDERS.pop(order, None)


def hold(what):
    """Stands still until told otherwise; the peer may be killed meanwhile."""
    tell(event="held", what=what)
    while not ORDERS.get("release"):
        time.sleep(0.005)


class Data:
    """The data connection, which counts what came in."""

    def take_in(self, chunk):
        self.came = getattr(self, "came", 0) + len(chunk)
        limit = ORDERS.get("hold-after")
        if limit is not None and self.came >= limit:
            take("hold-after")
            hold("data")
        limit = ORDERS.get("full-after")
        if limit is not None and self.came >= limit:
            take("full-after")
            tell(event="full")
            self.cmd_channel.respond("452 No space left on device")
            raise OSError(errno.ENOSPC, "No space left on device")

    def close(self):
        if not getattr(self, "told", False):
            self.told = True
            tell(event="data", bytes=self.get_transmitted_bytes())
        super().close()


class Sink:
    """The file that is written, with the eyes of the data connection."""

    def __init__(self, file, data):
        self.file, self.data = file, data

    def write(self, chunk):
        self.data.take_in(chunk)
        return self.file.write(chunk)

    def __getattr__(self, name):
        return getattr(self.file, name)


class Control:
    def on_login(self, username):
        tell(event="login")

    def on_login_failed(self, username, password):
        tell(event="refused")

    def ftp_STOR(self, file, mode="w"):
        tell(event="stor", mode=mode, at=self._restart_position)
        return super().ftp_STOR(file, mode)

    def ftp_RNTO(self, path):
        if take("hold-before-rename"):
            hold("rename")
        done = super().ftp_RNTO(path)
        tell(event="renamed", to=os.path.basename(path))
        return done

    def push(self, text):
        if text.startswith("250 Renaming ok") and take("hold-after-rename"):
            hold("renamed")
        super().push(text)


def certificate():
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "ftp of the tests")])
    now = datetime.datetime.utcnow()
    address = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(address, False)
        .sign(key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    with open(CERTIFICATE, "wb") as file:
        file.write(made.public_bytes(pem))
    with open(CERTIFICATE + ".key", "wb") as file:
        kind = serialization.PrivateFormat.PKCS8
        file.write(key.private_bytes(pem, kind, serialization.NoEncryption()))


def handlers():
    if TLS == "none":
        return (
            type("PlainControl", (Control, FTPHandler), {}),
            type("PlainData", (Data, DTPHandler), {}),
        )
    from pyftpdlib.handlers import TLS_DTPHandler, TLS_FTPHandler

    certificate()
    settings = {
        "certfile": CERTIFICATE,
        "keyfile": CERTIFICATE + ".key",
        "tls_control_required": TLS == "explicit",
        "tls_data_required": True,
    }
    control = type("TlsControl", (Control, TLS_FTPHandler), settings)
    if TLS == "implicit":

        # Nothing is said before the handshake; the library itself knows only AUTH.
        def handle(self):
            self.secure_connection(self.ssl_context)

        def handle_ssl_established(self):
            super(control, self).handle()

        control.handle = handle
        control.handle_ssl_established = handle_ssl_established
    return control, type("TlsData", (Data, TLS_DTPHandler), {})


def obey():
    for line in sys.stdin:
        ORDERS.pop("release", None)
        ORDERS.update(json.loads(line))
        tell(event="told")
    os._exit(0)


def main():
    control, data = handlers()

    def enable_receiving(self, kind, cmd):
        if not isinstance(self.file_obj, Sink):
            self.file_obj = Sink(self.file_obj, self)
        super(data, self).enable_receiving(kind, cmd)

    data.enable_receiving = enable_receiving
    authorizer = DummyAuthorizer()
    authorizer.add_user("news", PASSWORD, ROOT, perm="elradfmwMT")
    control.authorizer = authorizer
    control.dtp_handler = data
    control.auth_failed_timeout = 0
    control.banner = "ready"
    control.log_prefix = "%(remote_ip)s"
    server = ThreadedFTPServer(("127.0.0.1", 0), control)
    tell(port=server.socket.getsockname()[1])
    threading.Thread(target=obey, daemon=True).start()
    server.serve_forever(handle_exit=False)


if __name__ == "__main__":
    main()
