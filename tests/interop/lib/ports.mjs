// Free loopback ports. The broker's issuer contains its port, so it must be known before the start.

import { createServer } from 'node:net';
import { once } from 'node:events';

// Below the range that the kernel gives to outgoing connections, and above every port that browsers
// and fetch refuse ("bad ports").
const FIRST = 20_000;
const SPAN = 12_000;

/** The first of `count` consecutive ports that nobody listens on. */
export async function freePorts(count) {
  let base = FIRST + Math.floor(Math.random() * SPAN);
  for (let tries = 0; tries < SPAN; tries += 1, base = FIRST + ((base + count - FIRST) % SPAN)) {
    const free = await Promise.all(Array.from({ length: count }, (_, i) => isFree(base + i)));
    if (free.every(Boolean)) return base;
  }
  throw new Error('no free ports on 127.0.0.1');
}

async function isFree(port) {
  const server = createServer().listen(port, '127.0.0.1');
  try {
    await once(server, 'listening');
  } catch {
    return false;
  }
  server.close();
  await once(server, 'close');
  return true;
}
