"""One login and one note by a Python MCP client, each by its own OAuth code.

Usage: client.py mcp|mcp-legacy|fastmcp MCP_URL NOTE_TITLE

Prints the URL that a person has to open, then one JSON line with what it got.
"""

import asyncio
import json
import sys
from urllib.parse import parse_qs, urlsplit

from fastmcp import Client as FastClient
from fastmcp.client.auth import OAuth
from mcp import Client
from mcp.client.auth import OAuthClientProvider
from mcp.client.auth.oauth2 import AuthorizationCodeResult
from mcp.client.streamable_http import streamable_http_client
from mcp.shared._httpx_utils import create_mcp_http_client
from mcp.shared.auth import OAuthClientMetadata


class Memory:
    """Token storage of the `mcp` client, for one run."""

    def __init__(self):
        self.tokens = None
        self.client = None

    async def get_tokens(self):
        return self.tokens

    async def set_tokens(self, tokens):
        self.tokens = tokens

    async def get_client_info(self):
        return self.client

    async def set_client_info(self, client):
        self.client = client


class Loopback:
    """The redirect URI of the `mcp` client: one answer on a free port."""

    async def start(self):
        self.answer = asyncio.get_running_loop().create_future()
        self.server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        port = self.server.sockets[0].getsockname()[1]
        self.redirect_uri = f"http://127.0.0.1:{port}/callback"

    async def _serve(self, reader, writer):
        request = (await reader.readline()).decode()
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok")
        await writer.drain()
        writer.close()
        self.answer.set_result(parse_qs(urlsplit(request.split()[1]).query))

    async def open(self, url):
        print(url, flush=True)

    async def wait(self):
        query = await self.answer
        return AuthorizationCodeResult(**{name: query[name][0] for name in ("code", "state", "iss") if name in query})


async def with_mcp(url, note, mode):
    loopback = Loopback()
    await loopback.start()
    auth = OAuthClientProvider(
        server_url=url,
        client_metadata=OAuthClientMetadata(
            client_name="Python SDK",
            redirect_uris=[loopback.redirect_uri],
            grant_types=["authorization_code", "refresh_token"],
            response_types=["code"],
            token_endpoint_auth_method="none",
        ),
        storage=Memory(),
        redirect_handler=loopback.open,
        callback_handler=loopback.wait,
    )
    async with create_mcp_http_client(auth=auth) as http:
        async with Client(streamable_http_client(url, http_client=http), mode=mode) as client:
            tools = [tool.name for tool in (await client.list_tools()).tools]
            created = await client.call_tool("nc_notes_create_note", note)
            return client.protocol_version, tools, created.structured_content


async def with_fastmcp(url, note):
    # Opens the URL by the command in $BROWSER.
    async with FastClient(url, auth=OAuth(client_name="FastMCP")) as client:
        tools = [tool.name for tool in await client.list_tools()]
        created = await client.call_tool("nc_notes_create_note", note)
        return None, tools, created.structured_content


async def main(kind, url, title):
    note = {"title": title, "content": "By a Python client", "category": "interop"}
    if kind == "fastmcp":
        protocol, tools, created = await with_fastmcp(url, note)
    else:
        protocol, tools, created = await with_mcp(url, note, "legacy" if kind == "mcp-legacy" else "auto")
    print(json.dumps({"protocol": protocol, "tools": tools, "note": created}), flush=True)


asyncio.run(main(*sys.argv[1:]))
