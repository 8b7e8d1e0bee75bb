// The client's own end of a login: a loopback listener for its redirect URI (RFC 8252 §7.3).

import { createServer } from 'node:http';
import { once } from 'node:events';

export async function startListener() {
  const arrived = [];
  const server = createServer((request, response) => {
    const url = new URL(request.url, `http://${request.headers.host}`);
    // A browser asks for its icon too.
    if (url.pathname !== '/callback') return response.writeHead(404).end();
    arrived.push(url);
    response.writeHead(200, { 'content-type': 'text/html; charset=utf-8' });
    return response.end('<!doctype html><html lang="en"><title>Client</title><h1>Back at the client</h1></html>');
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    redirectUri: `http://127.0.0.1:${server.address().port}/callback`,
    /** Every answer that came to the redirect URI, in order. */
    arrived,
    async close() {
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  };
}
