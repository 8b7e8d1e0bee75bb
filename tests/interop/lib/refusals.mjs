// Everything that a token exchange is refused for before a strategy is asked, in the order of the
// decision: it is the same whatever the strategy, which is what this table shows.

import { test } from 'node:test';
import { randomBytes } from 'node:crypto';
import * as jose from 'jose';

import { Admin } from './admin.mjs';
import { ask, assertRefused, DOWNSTREAM, gateway } from './exchange.mjs';
import { USERS } from './users.mjs';

const OTHER = 'https://tools.example/mcp';

/**
 * What is attempted, with what, and how it ends: the answer's status and code, and what the audit row
 * holds besides. `subject` names one of the tokens of `Scene`, `by` one of its clients.
 */
const CASES = [
  ['a client with a wrong secret', { by: 'impostor' }, [401, 'invalid_client'], (scene) => ({ client_id: scene.gateway[0] })],
  ['a client that nobody knows', { by: 'stranger' }, [401, 'invalid_client'], () => ({ client_id: 'stranger' })],
  ['a client that does not say who it is', { by: 'nobody' }, [401, 'invalid_client'], () => ({ client_id: undefined })],
  ['a client that may not exchange', { by: 'batch' }, [400, 'unauthorized_client'], () => ({ client_id: 'batch' })],
  ['the caller itself, a public client', { by: 'caller' }, [400, 'unauthorized_client'], (scene) => ({ client_id: scene.caller })],
  ['a subject token that is none', { subject: 'garbage' }, [400, 'invalid_request'], (scene) => ({ client_id: scene.gateway[0] })],
  ['a subject token that somebody else signed', { subject: 'forged' }, [400, 'invalid_request'], (scene) => ({ client_id: scene.gateway[0] })],
  ['a refresh token as subject token', { subject: 'refresh' }, [400, 'invalid_request'], () => ({ sub: undefined })],
  ['a token of an ended session', { subject: 'ended' }, [400, 'invalid_request'], (scene) => ({ sub: scene.sub })],
  ['a token for another resource', { subject: 'other' }, [400, 'invalid_target'], (scene) => ({ sub: scene.sub })],
  ['a downstream that the resource may not have', { subject: 'other', by: 'tools-server' }, [400, 'invalid_target'], () => ({ resource: OTHER, downstream: DOWNSTREAM })],
  ['a downstream that the client may not have', { by: 'idle-server' }, [400, 'invalid_target'], (scene) => ({ resource: scene.resource, downstream: DOWNSTREAM })],
  ['a downstream that there is not', { more: { audience: 'nowhere' } }, [400, 'invalid_target'], (scene) => ({ resource: scene.resource, downstream: undefined })],
  ['a request that names no downstream', { more: { audience: undefined } }, [400, 'invalid_request'], (scene) => ({ sub: scene.sub })],
  ['a scope beyond that of the caller', { subject: 'narrow', more: { scope: 'files.write notes.read' } }, [400, 'invalid_scope'],
    (scene) => ({ sub: scene.sub, downstream: DOWNSTREAM, scope: 'files.write notes.read' })],
];

/** Declares a test for each refusal; `parts` gives the stack and the caller's client once they run. */
export function refusals(parts) {
  let prepared;
  for (const [name, { subject = 'good', by = 'gateway', more }, expected, row] of CASES) {
    test(`refused: ${name}`, async () => {
      prepared ??= prepare(parts());
      const scene = await prepared;
      const answer = await ask(scene.stack, scene.tokens[subject], { by: scene.clients[by], ...more });
      assertRefused(answer, expected, row(scene));
    });
  }
}

/** The clients, resources and tokens that the cases need. */
async function prepare({ stack, client }) {
  const admin = new Admin(stack);
  await admin.post('resources', { id: OTHER, name: 'Other tools', scopes: { 'tools.use': 'Use them' } });
  const confidential = async (id, members) => {
    const created = await admin.post('clients', { client_id: id, token_endpoint_auth_method: 'client_secret_basic', ...members });
    return [id, created.client_secret];
  };
  const clients = {
    gateway: gateway(stack),
    impostor: [stack.gateway_client_id, randomBytes(32).toString('base64url')],
    stranger: ['stranger', randomBytes(32).toString('base64url')],
    nobody: null,
    caller: client.client.client_id,
    batch: await confidential('batch', { grant_types: ['client_credentials'] }),
    'tools-server': await confidential('tools-server', { serves: [OTHER], exchange: [DOWNSTREAM] }),
    'idle-server': await confidential('idle-server', { serves: [stack.mcp_url], grant_types: ['urn:ietf:params:oauth:grant-type:token-exchange'] }),
  };
  const login = (parameters) => client.login(USERS.alice, { resource: stack.mcp_url, ...parameters });
  const good = await login();
  const ended = await login();
  await client.revoke(ended.refresh_token);
  const tokens = {
    good: good.access_token,
    refresh: good.refresh_token,
    garbage: 'not.a.token',
    forged: await forged(good.access_token),
    ended: ended.access_token,
    other: (await login({ resource: OTHER })).access_token,
    narrow: (await login({ scope: 'notes.read' })).access_token,
  };
  const { sub } = jose.decodeJwt(good.access_token);
  return { stack, clients, tokens, sub, resource: stack.mcp_url, gateway: clients.gateway, caller: clients.caller };
}

/** The same header and claims, signed by a key that is not the broker's. */
async function forged(token) {
  const { privateKey } = await jose.generateKeyPair('ES256');
  return new jose.SignJWT(jose.decodeJwt(token)).setProtectedHeader(jose.decodeProtectedHeader(token)).sign(privateKey);
}
