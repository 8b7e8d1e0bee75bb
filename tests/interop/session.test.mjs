// Strategy session against oidc-provider: the access token of the login itself reaches Nextcloud, is
// renewed at the provider, and ends with the session.
//
// The provider issues JWTs for Nextcloud's audience at the login, as a provider that Nextcloud trusts
// does; the stand-in's user_oidc has an entry for it.

import { after, before, describe, test } from 'node:test';
import assert from 'node:assert/strict';
import * as jose from 'jose';

import { Admin } from './lib/admin.mjs';
import { discover, OAuthClient } from './lib/client.mjs';
import { ask, assertRefused, DOWNSTREAM, granted } from './lib/exchange.mjs';
import { callsReachWhoeverLoggedIn } from './lib/ownership.mjs';
import { until } from './lib/poll.mjs';
import { refusals } from './lib/refusals.mjs';
import { USERS } from './lib/users.mjs';
import { startOidcProvider, startStack } from './stack.mjs';

const NEXTCLOUD = 'https://cloud.example';
// The broker renews a token this short when half of its life is over.
const SHORT = 4;

describe('session at oidc-provider', () => {
  let idp;
  let stack;
  let client;

  before(async () => {
    stack = await startStack({
      strategy: 'session',
      idp: async (broker) => {
        idp = await startOidcProvider(broker, {
          resources: { [NEXTCLOUD]: ['files'] },
          defaultResource: NEXTCLOUD,
        });
        idp.tokens.audience = DOWNSTREAM;
        return idp;
      },
    });
    client = await OAuthClient.register(await discover(stack.issuer));
  });
  after(() => stack?.close());

  const login = (user) => client.login(user, { resource: stack.mcp_url });
  /** A login whose token at the provider is soon over. */
  const shortLogin = async (user) => {
    idp.tokens.seconds = SHORT;
    try {
      return await login(user);
    } finally {
      idp.tokens.seconds = undefined;
    }
  };
  /** Exchanges until the provider was asked for new tokens, whatever it answered. */
  const untilRenewal = (subject) => {
    const before = idp.refreshes();
    return until('a renewal', 2 * SHORT, async () => {
      const answer = await ask(stack, subject);
      return idp.refreshes() > before && answer;
    });
  };

  test('what is handed out is the token that the provider gave at this login', async () => {
    const keys = jose.createRemoteJWKSet(new URL((await discover(idp.issuer, 'oidc')).jwks_uri));
    for (const user of [USERS.alice, USERS.bob]) {
      const { access_token: subject } = await login(user);
      const token = await granted(stack, subject, 'session');
      const { payload } = await jose.jwtVerify(token, keys, { issuer: idp.issuer, audience: DOWNSTREAM });
      assert.equal(payload.sub, user.sub);
      // One token a login, not one a call.
      assert.equal(await granted(stack, subject, 'session'), token);
    }
  });

  test('a tool call reaches Nextcloud as whoever logged in', () => callsReachWhoeverLoggedIn(stack, login));

  test('a token that is soon over is renewed once, for all who want it', async () => {
    const { access_token: subject } = await shortLogin(USERS.alice);
    const before = idp.refreshes();
    const renewed = await untilRenewal(subject);
    assert.equal(renewed.status, 200, JSON.stringify(renewed.body));
    const tokens = await Promise.all(Array.from({ length: 20 }, () => granted(stack, subject, 'session')));
    assert.deepEqual([...new Set(tokens)], [renewed.body.access_token]);
    assert.equal(idp.refreshes(), before + 1);
    const row = renewed.rows.find(({ event }) => event === 'exchange.granted');
    const { items } = await new Admin(stack).get(`audit?event=upstream.renewed&sub=${row.sub}`);
    const [renewal] = items.filter(({ grant_id: grant }) => grant === row.grant_id);
    assert.equal(renewal.outcome, 'ok');
  });

  test('a login that the provider ended ends the session', async () => {
    const { access_token: subject, refresh_token: refresh } = await shortLogin(USERS.bob);
    await idp.forget(USERS.bob);
    const refused = await untilRenewal(subject);
    assertRefused(refused, [400, 'invalid_grant'], { downstream: DOWNSTREAM });
    const [ended] = refused.rows.filter(({ event }) => event === 'grant.ended');
    assert.equal(ended.details.reason, 'upstream_ended');
    const { items } = await new Admin(stack).get(`audit?event=upstream.renewed&sub=${ended.sub}`);
    assert.deepEqual(
      items.filter(({ grant_id: grant }) => grant === ended.grant_id).map(({ outcome, error }) => [outcome, error]),
      [['refused', 'invalid_grant']],
    );
    // So the client logs in anew, and the provider is not asked again.
    const asked = idp.refreshes();
    await assert.rejects(client.refresh(refresh), { error: 'invalid_grant' });
    assertRefused(await ask(stack, subject), [400, 'invalid_request'], { grant_id: ended.grant_id });
    assert.equal(idp.refreshes(), asked);
    await granted(stack, (await login(USERS.bob)).access_token, 'session');
  });

  test('a provider that is not well ends nothing', async () => {
    const { access_token: subject } = await shortLogin(USERS.alice);
    idp.tokens.unwell = true;
    try {
      // While the old one lives it is handed out.
      const refused = await until('the old token is over', 4 * SHORT, async () => {
        const answer = await ask(stack, subject);
        return answer.status !== 200 && answer;
      });
      assertRefused(refused, [503, 'temporarily_unavailable'], { downstream: DOWNSTREAM });
    } finally {
      idp.tokens.unwell = false;
    }
    await granted(stack, subject, 'session');
  });

  test('a token that the provider made for another API goes nowhere', async () => {
    idp.tokens.audience = 'another';
    try {
      const { access_token: subject } = await login(USERS.alice);
      assertRefused(await ask(stack, subject), [400, 'invalid_target'], { downstream: DOWNSTREAM });
    } finally {
      idp.tokens.audience = DOWNSTREAM;
    }
  });

  refusals(() => ({ stack, client }));
});
