"""What the two programs talk to: an identity provider, a Kubernetes API server, a Nextcloud.

Each answers just what the real one would for one login and one tool call.
"""

from __future__ import annotations

import datetime
import json
import secrets
import ssl
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import ip_address
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import jwt
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID


class Server:
    """An HTTP server of its own thread on a free port. `answer` is the subclass's."""

    def __init__(self, tls: ssl.SSLContext | None = None) -> None:
        server = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def handle_one(self) -> None:
                length = int(self.headers.get("Content-Length") or 0)
                url = urlsplit(self.path)
                fields = parse_qs(self.rfile.read(length).decode() if length else url.query)
                status, headers, body = server.answer(
                    self.command, url.path, {name: values[0] for name, values in fields.items()}, self.headers
                )
                data = body if isinstance(body, bytes) else json.dumps(body).encode()
                self.send_response(status)
                for name, value in {"Content-Type": "application/json", **headers}.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            do_GET = do_POST = handle_one

            def log_message(self, format: str, *arguments: Any) -> None:
                pass

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.http.daemon_threads = True
        if tls:
            self.http.socket = tls.wrap_socket(self.http.socket, server_side=True)
        self.url = f"{'https' if tls else 'http'}://127.0.0.1:{self.http.server_port}"
        threading.Thread(target=self.http.serve_forever, daemon=True).start()

    def answer(
        self, method: str, path: str, fields: dict[str, str], headers: Any
    ) -> tuple[int, dict[str, str], bytes | dict[str, Any]]:
        raise NotImplementedError

    def stop(self) -> None:
        self.http.shutdown()
        self.http.server_close()


class Signer:
    """A key with its JWK Set."""

    def __init__(self, kid: str) -> None:
        self.kid = kid
        self.key = ec.generate_private_key(ec.SECP256R1())
        jwk = json.loads(jwt.algorithms.ECAlgorithm.to_jwk(self.key.public_key()))
        self.jwks = {"keys": [{**jwk, "kid": kid, "alg": "ES256", "use": "sig"}]}

    def sign(self, claims: dict[str, Any]) -> str:
        now = int(time.time())
        return jwt.encode({"iat": now, "exp": now + 600, **claims}, self.key, "ES256", {"kid": self.kid})


class IdentityProvider(Server):
    """Logs in one user without asking."""

    def __init__(self, issuer: str, user: str) -> None:
        self.issuer, self.user = issuer, user
        self.signer = Signer("idp-1")
        self.codes: dict[str, dict[str, str]] = {}
        super().__init__()

    def answer(self, method, path, fields, headers):
        if path == "/.well-known/openid-configuration":
            return (
                200,
                {},
                {
                    "issuer": self.issuer,
                    "authorization_endpoint": f"{self.issuer}/authorize",
                    "token_endpoint": f"{self.issuer}/token",
                    "jwks_uri": f"{self.issuer}/keys",
                    "response_types_supported": ["code"],
                    "subject_types_supported": ["public"],
                    "id_token_signing_alg_values_supported": ["ES256"],
                    "code_challenge_methods_supported": ["S256"],
                },
            )
        if path == "/keys":
            return 200, {}, self.signer.jwks
        if path == "/authorize":
            code = secrets.token_urlsafe()
            self.codes[code] = fields
            back = urlencode({"code": code, "state": fields["state"]})
            return 302, {"Location": f"{fields['redirect_uri']}?{back}"}, {}
        if path == "/token" and fields.get("code") in self.codes:
            asked = self.codes.pop(fields["code"])
            claims = {
                "iss": self.issuer,
                "sub": "1",
                "aud": asked["client_id"],
                "nonce": asked["nonce"],
                "preferred_username": self.user,
            }
            return (
                200,
                {},
                {
                    "access_token": secrets.token_urlsafe(),
                    "token_type": "Bearer",
                    "expires_in": 300,
                    "id_token": self.signer.sign(claims),
                },
            )
        return 400, {}, {"error": "invalid_request"}


class ApiServer(Server):
    """Shows the keys of the cluster to whoever has a token of it; with a certificate of its own authority."""

    def __init__(self, folder: Path) -> None:
        self.signer = Signer("cluster-1")
        self.token = secrets.token_urlsafe()
        self.asked: list[int] = []
        self.authority, tls = certificate(folder)
        super().__init__(tls)

    def answer(self, method, path, fields, headers):
        is_known = headers.get("Authorization") == f"Bearer {self.token}"
        status = 404 if path != "/openid/v1/jwks" else 200 if is_known else 403
        self.asked.append(status)
        return status, {}, self.signer.jwks if status == 200 else {"kind": "Status", "status": "Failure"}


class Nextcloud(Server):
    """Knows who it is by the `sub` of the broker's tokens; checks them as `user_oidc` does."""

    def __init__(self) -> None:
        self.jwks_url = ""
        self.seen: list[dict[str, Any]] = []
        super().__init__()

    def answer(self, method, path, fields, headers):
        if path == "/status.php":
            return 200, {}, {"installed": True, "maintenance": False, "versionstring": "32.0.1"}
        token = headers.get("Authorization", "").removeprefix("Bearer ")
        try:
            key = jwt.PyJWKClient(self.jwks_url).get_signing_key_from_jwt(token)
            claims = jwt.decode(token, key, algorithms=["ES256"], audience="nextcloud")
        except jwt.PyJWTError as error:
            return 401, {}, {"message": str(error)}
        self.seen.append(claims)
        if path != "/ocs/v2.php/cloud/user":
            return 404, {}, {}
        data = {"id": claims["sub"], "displayname": claims["sub"].title(), "groups": []}
        return 200, {}, {"ocs": {"meta": {"status": "ok", "statuscode": 200, "message": "OK"}, "data": data}}


def certificate(folder: Path) -> tuple[str, ssl.SSLContext]:
    """A certificate authority in PEM, and a server's context with a certificate of it for loopback."""
    now = datetime.datetime.now(datetime.timezone.utc)

    def build(name: str, issuer: str, key: Any, signer: Any, *extensions: tuple[x509.ExtensionType, bool]) -> Any:
        builder = (
            x509.CertificateBuilder()
            .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]))
            .issuer_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, issuer)]))
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - datetime.timedelta(hours=1))
            .not_valid_after(now + datetime.timedelta(days=1))
        )
        for extension, is_critical in extensions:
            builder = builder.add_extension(extension, critical=is_critical)
        return builder.sign(signer, hashes.SHA256())

    authority_key, key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    authority = build(
        "cluster", "cluster", authority_key, authority_key, (x509.BasicConstraints(ca=True, path_length=0), True)
    )
    names = x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))])
    leaf = build("api server", "cluster", key, authority_key, (names, False))
    pem = folder / "api-server.pem"
    pem.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        + leaf.public_bytes(serialization.Encoding.PEM)
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pem)
    return authority.public_bytes(serialization.Encoding.PEM).decode(), context
