// The system under test as processes: the real broker on SQLite and the real gateway, a stand-in
// Nextcloud, and npm oidc-provider as the identity provider.
//
// The first three are started by the project's own demo, so that what is tested here is what a
// reader of the README starts.

import { existsSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { randomBytes } from 'node:crypto';
import assert from 'node:assert/strict';

import { startIdp } from './idp.mjs';
import { TARGET } from './lib/artifacts.mjs';
import { freePorts } from './lib/ports.mjs';
import { Child, isAlive } from './lib/process.mjs';
import { until } from './lib/poll.mjs';

const READY_SECONDS = 120;
// Broker, its admin listener, gateway, (identity provider,) Nextcloud.
const PORTS = 5;

const DEMO = process.env.DEMO ?? join(TARGET, 'debug', 'demo');

/**
 * Starts everything; `close` stops it and fails when a process outlives it.
 *
 * `idp` starts the identity provider, given the broker's redirect URI and client secret there.
 */
export async function startStack({ strategy = 'mint', registration = 'open', idp: start = startOidcProvider } = {}) {
  assert.ok(existsSync(DEMO), `${DEMO} is missing: run \`cargo build --workspace --bins\` first`);
  const base = await freePorts(PORTS);
  const clientSecret = randomBytes(32).toString('base64url');
  const idp = await start({ clientSecret, redirectUri: `http://127.0.0.1:${base}/oauth/callback` });
  const scratch = await mkdtemp(join(tmpdir(), 'interop-'));
  const demo = new Child(DEMO, [
    '--json',
    '--port-base', String(base),
    '--upstream', idp.issuer,
    '--upstream-client-id', 'mcp-token-broker',
    '--upstream-client-secret', clientSecret,
    '--strategy', strategy,
    '--registration', registration,
  ], { env: { ...process.env, TMPDIR: scratch } });
  const close = async (pids) => {
    await demo.stop();
    await idp.close();
    await until(`the demo's processes are gone: ${pids}`, 10, () => !pids.some(isAlive));
    await rm(scratch, { recursive: true, force: true });
  };
  try {
    const ready = await demo.line((line) => line.startsWith('{') && JSON.parse(line), READY_SECONDS);
    return { ...ready, log: () => demo.output, close: () => close(Object.values(ready.pids).flat()) };
  } catch (error) {
    await close([]);
    throw error;
  }
}

/** npm oidc-provider, where the broker's client may also use these grants and resources. */
export function startOidcProvider({ clientSecret, redirectUri }, { grants = [], ...more } = {}) {
  return startIdp({
    clients: [{
      client_id: 'mcp-token-broker',
      client_secret: clientSecret,
      redirect_uris: [redirectUri],
      grant_types: ['authorization_code', 'refresh_token', ...grants],
      token_endpoint_auth_method: 'client_secret_basic',
    }],
    ...more,
  });
}
