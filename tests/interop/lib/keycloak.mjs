// Keycloak as the identity provider: the distribution that `.ci/run interop` fetched, with its data
// in memory, the realm that deploy/keycloak shows to operators, and two users.

import { readFile, mkdir, rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

import { freePorts } from './ports.mjs';
import { Child } from './process.mjs';
import { until } from './poll.mjs';
import { USERS } from './users.mjs';

const HOME = process.env.KEYCLOAK_HOME;
const REALM = fileURLToPath(new URL('../../../deploy/keycloak/realm.json', import.meta.url));
// The first start prepares the distribution, on machines that do other things too.
const READY_SECONDS = 280;

/** Why the tests with Keycloak cannot run here; `false` when they can. */
export const withoutKeycloak = HOME
  ? false
  : (process.env.KEYCLOAK_SKIPPED || 'KEYCLOAK_HOME names no Keycloak; `.ci/run interop` fetches one');

/** Starts it; the broker's client there has this secret and redirect URI. */
export async function startKeycloak({ clientSecret, redirectUri }) {
  const realm = await adapted(clientSecret, redirectUri);
  const file = join(HOME, 'data', 'import', 'realm.json');
  await mkdir(dirname(file), { recursive: true });
  await writeFile(file, JSON.stringify(realm), { mode: 0o600 });
  const port = await freePorts(1);
  const issuer = `http://127.0.0.1:${port}/realms/${realm.realm}`;
  const child = new Child('bash', [
    join(HOME, 'bin', 'kc.sh'), 'start-dev', '--import-realm', '--db=dev-mem', '--http-host=127.0.0.1', `--http-port=${port}`,
  ], { env: { ...process.env, JAVA_OPTS_APPEND: '-Xmx512m' } });
  const close = async () => {
    await child.stop();
    await rm(file, { force: true });
  };
  const discovery = `${issuer}/.well-known/openid-configuration`;
  try {
    await until('Keycloak answers', READY_SECONDS, async () => (await fetch(discovery)).ok);
    return { issuer, close };
  } catch (error) {
    await close();
    throw new Error(`Keycloak does not start:\n${child.output}`, { cause: error });
  }
}

/** The operators' realm with this broker's address and secret, and with people in it. */
async function adapted(clientSecret, redirectUri) {
  const realm = JSON.parse(await readFile(REALM, 'utf8'));
  const broker = realm.clients.find(({ clientId }) => clientId === 'mcp-token-broker');
  broker.secret = clientSecret;
  broker.redirectUris = [redirectUri];
  realm.users = Object.values(USERS).map(({ sub, username, password, name, email }) => {
    const [firstName, lastName] = name.split(' ');
    return {
      id: sub, username, email, firstName, lastName,
      enabled: true, emailVerified: true,
      credentials: [{ type: 'password', value: password }],
    };
  });
  return realm;
}
