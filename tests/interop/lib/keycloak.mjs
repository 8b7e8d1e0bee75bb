// Keycloak as the identity provider: the distribution that `.ci/run interop` fetched, with its data
// in memory, the realm that deploy/keycloak shows to operators, and two users.

import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { readFile, mkdir, rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

import { freePorts } from './ports.mjs';
import { Child } from './process.mjs';
import { until } from './poll.mjs';
import { USERS } from './users.mjs';

const ADMIN = 'interop';
const HOME = process.env.KEYCLOAK_HOME;
const REALM = fileURLToPath(new URL('../../../deploy/keycloak/realm.json', import.meta.url));
// The first start prepares the distribution, on machines that do other things too.
const READY_SECONDS = 480;

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
  const base = `http://127.0.0.1:${port}`;
  const issuer = `${base}/realms/${realm.realm}`;
  const password = randomBytes(16).toString('base64url');
  const child = new Child('bash', [
    join(HOME, 'bin', 'kc.sh'), 'start-dev', '--import-realm', '--db=dev-mem', '--http-host=127.0.0.1', `--http-port=${port}`,
  ], {
    env: {
      ...process.env,
      JAVA_OPTS_APPEND: '-Xmx512m',
      KC_BOOTSTRAP_ADMIN_USERNAME: ADMIN,
      KC_BOOTSTRAP_ADMIN_PASSWORD: password,
    },
  });
  const close = async () => {
    await child.stop();
    await rm(file, { force: true });
  };
  const discovery = `${issuer}/.well-known/openid-configuration`;
  try {
    await until('Keycloak answers', READY_SECONDS, async () => (await fetch(discovery)).ok);
    return {
      issuer,
      close,
      /** Ends all logins of a user, as an administrator does. */
      forget: ({ sub }) => logOut(base, realm.realm, sub, password),
    };
  } catch (error) {
    await close();
    throw new Error(`Keycloak does not start:\n${child.output}`, { cause: error });
  }
}

async function logOut(base, realm, sub, password) {
  const token = await fetch(`${base}/realms/master/protocol/openid-connect/token`, {
    method: 'POST',
    body: new URLSearchParams({ grant_type: 'password', client_id: 'admin-cli', username: ADMIN, password }),
  });
  const { access_token: admin } = await token.json();
  const response = await fetch(`${base}/admin/realms/${realm}/users/${sub}/logout`, {
    method: 'POST',
    headers: { authorization: `Bearer ${admin}` },
  });
  assert.ok(response.ok, `${response.status} ${await response.text()}`);
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
