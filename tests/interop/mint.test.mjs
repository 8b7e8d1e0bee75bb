// Strategy mint, where people log in at an identity provider that is not ours: the tool call ends in
// the stand-in Nextcloud, whose user_oidc trusts the broker, and what is made there belongs to
// whoever logged in.

import { after, before, describe, test } from 'node:test';
import assert from 'node:assert/strict';
import * as jose from 'jose';

import { discover, OAuthClient } from './lib/client.mjs';
import { DOWNSTREAM, granted } from './lib/exchange.mjs';
import { callsReachWhoeverLoggedIn } from './lib/ownership.mjs';
import { refusals } from './lib/refusals.mjs';
import { USERS } from './lib/users.mjs';
import { startStack } from './stack.mjs';

describe('mint', () => {
  let stack;
  let as;
  let client;

  before(async () => {
    stack = await startStack({ strategy: 'mint' });
    as = await discover(stack.issuer);
    client = await OAuthClient.register(as);
  });
  after(() => stack?.close());

  const login = (user) => client.login(user, { resource: stack.mcp_url });

  test('what is handed out is for Nextcloud, of this user, by the gateway, and short', async () => {
    const keys = jose.createRemoteJWKSet(new URL(as.jwks_uri));
    for (const user of [USERS.alice, USERS.bob]) {
      const { access_token: subject } = await login(user);
      const token = await granted(stack, subject, 'mint');
      const { payload } = await jose.jwtVerify(token, keys, { issuer: stack.issuer, audience: DOWNSTREAM });
      assert.equal(payload.sub, user.username);
      assert.equal(payload.act.sub, stack.gateway_client_id);
      assert.ok(payload.exp - payload.iat <= 60);
    }
  });

  test('a tool call reaches Nextcloud as whoever logged in', () => callsReachWhoeverLoggedIn(stack, login));

  refusals(() => ({ stack, client }));
});
