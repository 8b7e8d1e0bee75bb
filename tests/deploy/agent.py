"""An MCP client with its person: registers, logs in through the pages, calls a tool."""

from __future__ import annotations

import base64
import hashlib
import html.parser
import http.client
import itertools
import json
import secrets
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

CALLBACK = "http://127.0.0.1:9/callback"


class Answer:
    def __init__(self, status: int, headers: Any, body: str) -> None:
        self.status, self.headers, self.body = status, headers, body

    def json(self) -> Any:
        return json.loads(self.body)


class Form(html.parser.HTMLParser):
    """The first form of a page."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.action, self.fields = "", {}
        self.feed(page)

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        given = dict(attributes)
        if tag == "form" and not self.action:
            self.action = given["action"] or ""
        if tag == "input" and given.get("type") == "hidden":
            self.fields[given["name"]] = given["value"]


class Internet:
    """Sends requests for public names to the processes that stand for them, in turn."""

    def __init__(self, hosts: dict[str, list[str]]) -> None:
        self.hosts = {host: itertools.cycle(urls) for host, urls in hosts.items()}
        self.cookies: dict[str, dict[str, str]] = {}

    def send(self, method: str, url: str, body: str | None = None, **headers: str) -> Answer:
        parts = urlsplit(url)
        behind = urlsplit(next(self.hosts[parts.netloc]))
        cookies = self.cookies.setdefault(parts.netloc, {})
        sent = {"Host": parts.netloc, **{name.replace("_", "-"): value for name, value in headers.items()}}
        if cookies:
            sent["Cookie"] = "; ".join(f"{name}={value}" for name, value in cookies.items())
        connection = http.client.HTTPConnection(behind.netloc, timeout=30)
        try:
            path = parts.path + (f"?{parts.query}" if parts.query else "")
            connection.request(method, path, body, sent)
            response = connection.getresponse()
            for cookie in response.headers.get_all("Set-Cookie") or []:
                name, _, value = cookie.split(";")[0].partition("=")
                cookies[name] = value
            return Answer(response.status, response.headers, response.read().decode())
        finally:
            connection.close()

    def post_form(self, url: str, fields: dict[str, str], **headers: str) -> Answer:
        kind = {"Content_Type": "application/x-www-form-urlencoded"}
        return self.send("POST", url, urlencode(fields), **kind, **headers)


def log_in(internet: Internet, issuer: str, resource: str) -> str:
    """The whole way of a client to an access token; everything it needs comes from discovery."""
    metadata = internet.send("GET", f"{issuer}/.well-known/oauth-authorization-server").json()
    assert metadata["issuer"] == issuer
    document = {"client_name": "Agent", "redirect_uris": [CALLBACK], "token_endpoint_auth_method": "none"}
    registered = internet.send(
        "POST", metadata["registration_endpoint"], json.dumps(document), Content_Type="application/json"
    )
    assert registered.status == 201, registered.body
    client_id = registered.json()["client_id"]
    verifier = secrets.token_urlsafe(48)
    challenge = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()
    query = {
        "response_type": "code",
        "client_id": client_id,
        "redirect_uri": CALLBACK,
        "state": "xyz",
        "code_challenge": challenge,
        "code_challenge_method": "S256",
        "resource": resource,
    }
    page = f"{metadata['authorization_endpoint']}?{urlencode(query)}"
    answer = internet.send("GET", page)
    for _ in range(8):
        if answer.status in (302, 303):
            page = answer.headers["Location"]
            if page.startswith(issuer) or not page.startswith(CALLBACK):
                page = page if "://" in page else issuer + page
                answer = internet.send("GET", page)
                continue
            break
        assert answer.status == 200, answer.body
        form = Form(answer.body)
        target = form.action if "://" in form.action else issuer + form.action
        answer = internet.post_form(target, {**form.fields, "decision": "allow"}, Origin=issuer)
    back = {name: values[0] for name, values in parse_qs(urlsplit(page).query).items()}
    assert back.get("state") == "xyz" and back.get("iss") == issuer, page
    tokens = internet.post_form(
        metadata["token_endpoint"],
        {
            "grant_type": "authorization_code",
            "code": back["code"],
            "redirect_uri": CALLBACK,
            "client_id": client_id,
            "code_verifier": verifier,
        },
    )
    assert tokens.status == 200, tokens.body
    return tokens.json()["access_token"]


def call(internet: Internet, mcp_url: str, token: str, tool: str) -> Answer:
    """Calls a tool without arguments."""
    message = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": tool, "arguments": {}}}
    return internet.send(
        "POST",
        mcp_url,
        json.dumps(message),
        Authorization=f"Bearer {token}",
        Content_Type="application/json",
        Accept="application/json, text/event-stream",
        MCP_Protocol_Version="2025-11-25",
    )
