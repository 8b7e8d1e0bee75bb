// Strategy upstream_exchange against two identity providers that are not ours: Keycloak with its
// standard token exchange, and oidc-provider with an exchange grant.
//
// The tool call ends in the stand-in Nextcloud, whose user_oidc trusts the identity provider: what
// is created there belongs to whoever logged in.

import { after, before, describe, test } from 'node:test';
import assert from 'node:assert/strict';
import * as jose from 'jose';

import { discover, OAuthClient, TOKEN_EXCHANGE } from './lib/client.mjs';
import { ask, assertRefused, DOWNSTREAM, granted } from './lib/exchange.mjs';
import { startKeycloak, withoutKeycloak } from './lib/keycloak.mjs';
import { callsReachWhoeverLoggedIn } from './lib/ownership.mjs';
import { refusals } from './lib/refusals.mjs';
import { USERS } from './lib/users.mjs';
import { startOidcProvider, startStack } from './stack.mjs';

const PROVIDERS = {
  Keycloak: {
    skip: withoutKeycloak,
    start: startKeycloak,
  },
  'oidc-provider': {
    skip: false,
    start: (broker) => startOidcProvider(broker, { grants: [TOKEN_EXCHANGE], resources: { [DOWNSTREAM]: ['files'] } }),
  },
};

for (const [name, provider] of Object.entries(PROVIDERS)) {
  describe(`upstream_exchange at ${name}`, { skip: provider.skip }, () => {
    let idp;
    let stack;
    let client;

    before(async () => {
      stack = await startStack({
        strategy: 'upstream_exchange',
        idp: async (broker) => {
          idp = await provider.start(broker);
          return idp;
        },
      });
      client = await OAuthClient.register(await discover(stack.issuer));
    });
    after(() => stack?.close());

    const login = (user) => client.login(user, { resource: stack.mcp_url });

    test('what comes back is the provider\'s own token, for Nextcloud and of this user', async () => {
      for (const user of [USERS.alice, USERS.bob]) {
        const { access_token: subject } = await login(user);
        const token = await granted(stack, subject, 'upstream_exchange');
        const keys = jose.createRemoteJWKSet(new URL((await discover(idp.issuer, 'oidc')).jwks_uri));
        const { payload } = await jose.jwtVerify(token, keys, { issuer: idp.issuer, audience: DOWNSTREAM });
        assert.equal(payload.sub, user.sub);
      }
    });

    test('a tool call reaches Nextcloud as whoever logged in', () => callsReachWhoeverLoggedIn(stack, login));

    test('a login that the provider ended gives no more tokens, and a new one does', async () => {
      const { access_token: subject } = await login(USERS.bob);
      await granted(stack, subject, 'upstream_exchange');
      await idp.forget(USERS.bob);
      assertRefused(await ask(stack, subject), [400, 'invalid_request'], { downstream: DOWNSTREAM });
      await granted(stack, (await login(USERS.bob)).access_token, 'upstream_exchange');
    });

    refusals(() => ({ stack, client }));
  });
}
