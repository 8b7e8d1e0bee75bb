// A tool call by the official TypeScript SDK, with a token that was got elsewhere.

import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js';

/** Connects, calls one tool, and disconnects; returns the tool's result. */
export async function callTool(url, token, name, parameters) {
  const client = new Client({ name: 'interop', version: '1' });
  await client.connect(new StreamableHTTPClientTransport(new URL(url), {
    requestInit: { headers: { authorization: `Bearer ${token}` } },
  }));
  try {
    return await client.callTool({ name, arguments: parameters });
  } finally {
    await client.close();
  }
}
