// Strategy upstream_exchange against two identity providers that are not ours: Keycloak with its
// standard token exchange, and oidc-provider with an exchange grant.
//
// The tool call ends in the stand-in Nextcloud, whose user_oidc trusts the identity provider: what
// is created there belongs to whoever logged in.

import { after, before, describe, test } from 'node:test';
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import * as jose from 'jose';
import * as oauth from 'oauth4webapi';

import { ACCESS_TOKEN, discover, OAuthClient, TOKEN_EXCHANGE } from './lib/client.mjs';
import { startKeycloak, withoutKeycloak } from './lib/keycloak.mjs';
import { callTool } from './lib/mcp.mjs';
import { USERS } from './lib/users.mjs';
import { startOidcProvider, startStack } from './stack.mjs';

const AUDIENCE = 'nextcloud';
const TOOL = 'nc_notes_create_note';

const PROVIDERS = {
  Keycloak: {
    skip: withoutKeycloak,
    start: startKeycloak,
  },
  'oidc-provider': {
    skip: false,
    start: (broker) => startOidcProvider(broker, { grants: [TOKEN_EXCHANGE], resources: { [AUDIENCE]: ['files'] } }),
  },
};

for (const [name, provider] of Object.entries(PROVIDERS)) {
  describe(`upstream_exchange at ${name}`, { skip: provider.skip }, () => {
    let idp;
    let stack;
    let as;
    let client;
    let gateway;

    before(async () => {
      stack = await startStack({
        strategy: 'upstream_exchange',
        idp: async (broker) => {
          idp = await provider.start(broker);
          return idp;
        },
      });
      as = await discover(stack.issuer);
      client = await OAuthClient.register(as);
      gateway = new OAuthClient(as, { client_id: stack.gateway_client_id }, oauth.ClientSecretBasic(stack.gateway_client_secret));
    });
    after(() => stack?.close());

    const login = (user) => client.login(user, { resource: stack.mcp_url });
    const exchange = (token, more) => gateway.exchange({ subject_token: token, subject_token_type: ACCESS_TOKEN, audience: AUDIENCE, ...more });

    test('what comes back is the provider\'s own token, for Nextcloud and of this user', async () => {
      for (const user of [USERS.alice, USERS.bob]) {
        const { access_token: subject } = await login(user);
        const answer = await exchange(subject);
        assert.equal(answer.token_type.toLowerCase(), 'bearer');
        assert.equal(answer.refresh_token, undefined);
        const keys = jose.createRemoteJWKSet(new URL((await discover(idp.issuer, 'oidc')).jwks_uri));
        const { payload } = await jose.jwtVerify(answer.access_token, keys, { issuer: idp.issuer, audience: AUDIENCE });
        assert.equal(payload.sub, user.sub);
        assert.ok(answer.expires_in > 0 && answer.expires_in <= payload.exp - payload.iat);
      }
    });

    test('a tool call reaches Nextcloud as whoever logged in', async () => {
      const { access_token: alice } = await login(USERS.alice);
      const { access_token: bob } = await login(USERS.bob);
      const title = `By ${name} ${randomBytes(4).toString('hex')}`;
      const created = await callTool(stack.mcp_url, alice, TOOL, { title, content: 'Text', category: '' });
      assert.notEqual(created.isError, true, JSON.stringify(created));
      const found = async (token) => JSON.stringify(await callTool(stack.mcp_url, token, 'nc_notes_search_notes', { query: title }));
      assert.match(await found(alice), new RegExp(title));
      assert.doesNotMatch(await found(bob), new RegExp(title));
    });
  });
}
