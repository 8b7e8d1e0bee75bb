// A proxy for programs that cannot log in: it adds an access token and passes everything on.
//
// What a caller says of itself stays as it is; only the proxy's own name is replaced by the
// server's, as any reverse proxy does. A foreign `Host` or `Origin` reaches the server untouched.

import { createServer, request } from 'node:http';
import { once } from 'node:events';

/** Starts a proxy in front of `target`; `close` ends it and every connection through it. */
export async function startBearerProxy(target, token) {
  const { hostname, port, host, pathname } = new URL(target);
  const server = createServer((incoming, outgoing) => {
    const headers = { ...incoming.headers, authorization: `Bearer ${token}` };
    if (headers.host === own()) headers.host = host;
    if (headers.origin === `http://${own()}`) headers.origin = `http://${host}`;
    const onward = request({ hostname, port, path: incoming.url, method: incoming.method, headers }, (answer) => {
      outgoing.writeHead(answer.statusCode, answer.rawHeaders);
      answer.pipe(outgoing);
    });
    onward.on('error', () => outgoing.destroy());
    // A caller that goes away takes its request along.
    outgoing.on('close', () => onward.destroy());
    incoming.pipe(onward);
  });
  const own = () => `127.0.0.1:${server.address().port}`;
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    url: `http://${own()}${pathname}`,
    async close() {
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  };
}
