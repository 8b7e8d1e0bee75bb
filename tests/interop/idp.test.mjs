// The test equipment itself: the identity provider lets in who knows the password, tells user name
// and subject apart, rotates refresh tokens and exchanges tokens; the agent gets through its pages.

import { after, before, describe, test } from 'node:test';
import assert from 'node:assert/strict';
import * as oauth from 'oauth4webapi';

import { Agent } from './agent.mjs';
import { startIdp } from './idp.mjs';
import { USERS } from './lib/users.mjs';

const INSECURE = { [oauth.allowInsecureRequests]: true };
const REDIRECT_URI = 'http://127.0.0.1:9/callback';
const NEXTCLOUD = 'http://127.0.0.1:9/nextcloud';
const EXCHANGE = 'urn:ietf:params:oauth:grant-type:token-exchange';
const ACCESS_TOKEN = 'urn:ietf:params:oauth:token-type:access_token';

describe('the identity provider of these tests', () => {
  const client = { client_id: 'broker' };
  const authentication = oauth.ClientSecretBasic('a secret of the test client');
  let idp;
  let as;

  before(async () => {
    idp = await startIdp({
      clients: [{
        client_id: client.client_id,
        client_secret: 'a secret of the test client',
        redirect_uris: [REDIRECT_URI],
        grant_types: ['authorization_code', 'refresh_token', EXCHANGE],
      }],
      resources: { [NEXTCLOUD]: ['files.read'] },
    });
    const issuer = new URL(idp.issuer);
    as = await oauth.processDiscoveryResponse(issuer, await oauth.discoveryRequest(issuer, INSECURE));
  });
  after(() => idp?.close());

  async function login(user) {
    const verifier = oauth.generateRandomCodeVerifier();
    const state = oauth.generateRandomState();
    const url = new URL(as.authorization_endpoint);
    url.search = new URLSearchParams({
      response_type: 'code',
      client_id: client.client_id,
      redirect_uri: REDIRECT_URI,
      scope: 'openid profile email',
      state,
      code_challenge: await oauth.calculatePKCECodeChallenge(verifier),
      code_challenge_method: 'S256',
    });
    const back = await new Agent(user).authorize(url.href, REDIRECT_URI);
    const answer = oauth.validateAuthResponse(as, client, back, state);
    const response = await oauth.authorizationCodeGrantRequest(as, client, authentication, answer, REDIRECT_URI, verifier, INSECURE);
    return oauth.processAuthorizationCodeResponse(as, client, response, { requireIdToken: true });
  }

  test('signs users in and names them', async () => {
    for (const user of Object.values(USERS)) {
      const claims = oauth.getValidatedIdTokenClaims(await login(user));
      assert.equal(claims.sub, user.sub);
      assert.equal(claims.preferred_username, user.username);
      assert.equal(claims.name, user.name);
      assert.equal(claims.email, user.email);
      assert.notEqual(claims.sub, claims.preferred_username);
    }
  });

  test('refuses a wrong password', async () => {
    await assert.rejects(login({ ...USERS.alice, password: 'guess' }), /no end after/);
  });

  test('rotates refresh tokens and refuses a spent one', async () => {
    const { refresh_token: first } = await login(USERS.alice);
    const refresh = async (token) => oauth.processRefreshTokenResponse(
      as, client, await oauth.refreshTokenGrantRequest(as, client, authentication, token, INSECURE));
    const { refresh_token: second } = await refresh(first);
    assert.notEqual(second, first);
    await assert.rejects(refresh(first), { error: 'invalid_grant' });
  });

  test('exchanges a token for a resource that it knows, and for no other', async () => {
    const { access_token: subject } = await login(USERS.bob);
    const exchange = async (audience) => oauth.processGenericTokenEndpointResponse(as, client,
      await oauth.genericTokenEndpointRequest(as, client, authentication, EXCHANGE,
        { subject_token: subject, subject_token_type: ACCESS_TOKEN, audience }, INSECURE));
    const { access_token: token } = await exchange(NEXTCLOUD);
    const call = new Request(NEXTCLOUD, { headers: { authorization: `Bearer ${token}` } });
    const claims = await oauth.validateJwtAccessToken(as, call, NEXTCLOUD, INSECURE);
    assert.equal(claims.sub, USERS.bob.sub);
    assert.equal(claims.scope, 'files.read');
    await assert.rejects(exchange('https://elsewhere.example'), { error: 'invalid_target' });
  });
});
