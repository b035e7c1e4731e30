"""A Kafka broker that lets nobody in without a name: a door for each way of saying one, under a certificate made for the test.

| door | its users |
|---|---|
| SCRAM-SHA-512 over TLS | `USER`, with `PASSWORD` |
| PLAIN in clear | the same |
| OAUTHBEARER over TLS | whoever has a token that is not over; nobody looks who signed it, as with Kafka's own validator for tests |
"""

from __future__ import annotations

import base64
import datetime
import ipaddress
import json
import shutil
import tempfile
import threading
import time
import urllib.parse
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import NamedTuple

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from tests.servers.kafka import LocalBroker, Unavailable, free_port, missing

USER, PASSWORD = "ana", "not-quite-secret"
DAY = datetime.timedelta(days=1)

_PROPERTIES = """
listeners=SCRAM://127.0.0.1:{scram},PLAIN://127.0.0.1:{plain},OAUTH://127.0.0.1:{oauth}
advertised.listeners=SCRAM://127.0.0.1:{scram},PLAIN://127.0.0.1:{plain},OAUTH://127.0.0.1:{oauth}
listener.security.protocol.map=SCRAM:SASL_SSL,PLAIN:SASL_PLAINTEXT,OAUTH:SASL_SSL
ssl.keystore.type=PEM
ssl.keystore.location={keystore}
listener.name.scram.sasl.enabled.mechanisms=SCRAM-SHA-512
listener.name.scram.scram-sha-512.sasl.jaas.config=org.apache.kafka.common.security.scram.ScramLoginModule required;
listener.name.plain.sasl.enabled.mechanisms=PLAIN
listener.name.plain.plain.sasl.jaas.config=org.apache.kafka.common.security.plain.PlainLoginModule required user_{user}="{password}";
listener.name.oauth.sasl.enabled.mechanisms=OAUTHBEARER
listener.name.oauth.oauthbearer.sasl.jaas.config={bearer} required unsecuredLoginStringClaim_sub="broker";
"""
_BEARER = "org.apache.kafka.common.security.oauthbearer.OAuthBearerLoginModule"


class Secured(NamedTuple):
    """The broker's doors, as `host:port`, and the file of who signed its certificate. `open` asks for no name."""

    open: str
    scram: str
    plain: str
    oauth: str
    ca_file: Path


@contextmanager
def secured_broker() -> Iterator[Secured]:
    """A broker for one test or module. Skips or fails the test if none can be made here: it needs Java, as no image has such doors."""
    folder = Path(tempfile.mkdtemp(prefix="rendezvous-kafka-secured-"))
    ports = {name: free_port() for name in ("scram", "plain", "oauth")}
    try:
        made = certificate(folder)
        told = _PROPERTIES.format(**ports, keystore=made.keystore, user=USER, password=PASSWORD, bearer=_BEARER)
        user = f"SCRAM-SHA-512=[name={USER},password={PASSWORD}]"
        broker = LocalBroker(folder, told, ["--add-scram", user])
        broker.start()
    except Unavailable as reason:
        shutil.rmtree(folder, ignore_errors=True)
        missing(str(reason))
    try:
        doors = {name: f"127.0.0.1:{port}" for name, port in ports.items()}
        yield Secured(open=broker.bootstrap, ca_file=made.ca_file, **doors)
    finally:
        broker.kill()
        shutil.rmtree(folder, ignore_errors=True)


# --- certificates -------------------------------------------------------------------------------------------------------------


class Certificate(NamedTuple):
    """`keystore` has the server's key and certificate, `ca_file` the certificate of who signed it."""

    keystore: Path
    ca_file: Path


def certificate(folder: Path, name: str = "a test") -> Certificate:
    """One for 127.0.0.1, signed by an authority that nobody else knows."""
    authority, server = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    issuer = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, f"the authority of {name}")])
    began = datetime.datetime.now(datetime.UTC) - DAY

    def begun(subject: x509.Name, key: ec.EllipticCurvePrivateKey) -> x509.CertificateBuilder:
        serial = x509.random_serial_number()
        made = x509.CertificateBuilder().subject_name(subject).issuer_name(issuer).public_key(key.public_key()).serial_number(serial)
        return made.not_valid_before(began).not_valid_after(began + 3 * DAY)

    root = begun(issuer, authority).add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
    here = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
    leaf = begun(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")]), server).add_extension(here, critical=False)
    pem = serialization.Encoding.PEM
    key = server.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    ca_file, keystore = folder / "ca.pem", folder / "keystore.pem"
    ca_file.write_bytes(root.sign(authority, hashes.SHA256()).public_bytes(pem))
    keystore.write_bytes(key + leaf.sign(authority, hashes.SHA256()).public_bytes(pem) + ca_file.read_bytes())
    return Certificate(keystore, ca_file)


# --- tokens -------------------------------------------------------------------------------------------------------------------


def bearer(seconds: float = 3600) -> str:
    """A token of `USER`'s that lasts so long; unsigned (RFC 7515, appendix A.5)."""
    now = time.time()
    claims = {"sub": USER, "iat": now - 60, "exp": now + seconds, "scope": ""}
    return ".".join(base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=").decode() for part in ({"alg": "none"}, claims)) + "."


class Tokens(NamedTuple):
    """A token address, and how often it gave one."""

    url: str
    given: list[str]


@contextmanager
def token_address() -> Iterator[Tokens]:
    """Gives tokens for client credentials: `USER` and `PASSWORD`."""
    given: list[str] = []

    class Answer(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            form = urllib.parse.parse_qs(self.rfile.read(int(self.headers["Content-Length"])).decode())
            told = base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
            lets_in = form["grant_type"] == ["client_credentials"] and self.headers["Authorization"] == f"Basic {told}"
            body = json.dumps({"access_token": bearer(), "token_type": "Bearer", "expires_in": 3600} if lets_in else {}).encode()
            given.extend(form.get("scope", [""]) if lets_in else [])
            self.send_response(200 if lets_in else 401)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            """Nobody reads it."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Answer)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield Tokens(f"http://127.0.0.1:{server.server_port}/token", given)
    finally:
        server.shutdown()
        server.server_close()
