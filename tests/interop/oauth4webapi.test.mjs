// The whole of Flow 1 and the token exchange, by a client library that is certified and strict, and
// tokens checked by jose: neither shares a line with the broker.

import { after, before, describe, test } from 'node:test';
import assert from 'node:assert/strict';
import * as jose from 'jose';
import * as oauth from 'oauth4webapi';

import { Agent } from './agent.mjs';
import { ACCESS_TOKEN, discover, INSECURE, OAuthClient, REDIRECT_URI } from './lib/client.mjs';
import { until } from './lib/poll.mjs';
import { USERS } from './lib/users.mjs';
import { startStack } from './stack.mjs';

const DOWNSTREAM = 'nextcloud';
const EPHEMERAL_SECONDS = 60;
const REVOCATION_SECONDS = 1;

describe('oauth4webapi', () => {
  let stack;
  let as;
  let client;
  let gateway;

  before(async () => {
    stack = await startStack();
    as = await discover(stack.issuer);
    client = await OAuthClient.register(as);
    gateway = new OAuthClient(as, { client_id: stack.gateway_client_id }, oauth.ClientSecretBasic(stack.gateway_client_secret));
  });
  after(() => stack?.close());

  const login = (user, parameters) => client.login(user, { resource: stack.mcp_url, ...parameters });
  const exchange = (subjectToken, parameters) => gateway.exchange({
    subject_token: subjectToken, subject_token_type: ACCESS_TOKEN, audience: DOWNSTREAM, ...parameters });

  async function accessTokenClaims(token) {
    const call = new Request(stack.mcp_url, { headers: { authorization: `Bearer ${token}` } });
    return oauth.validateJwtAccessToken(as, call, stack.mcp_url, INSECURE);
  }

  test('discovery: RFC 8414 and OpenID Connect tell the same', async () => {
    const oidc = await discover(stack.issuer, 'oidc');
    for (const member of ['issuer', 'authorization_endpoint', 'token_endpoint', 'jwks_uri', 'registration_endpoint', 'revocation_endpoint']) {
      assert.ok(as[member], `${member} is published`);
      assert.equal(oidc[member], as[member]);
    }
    assert.equal(as.authorization_response_iss_parameter_supported, true);
    assert.deepEqual(as.code_challenge_methods_supported, ['S256']);
  });

  test('registration returns the metadata in full', () => {
    assert.equal(client.client.token_endpoint_auth_method, 'none');
    assert.deepEqual(client.client.redirect_uris, [REDIRECT_URI]);
    assert.equal(client.client.client_secret, undefined);
  });

  test('login: code, PKCE, resource, and an access token as RFC 9068 wants it', async () => {
    const alice = await login(USERS.alice);
    const bob = await login(USERS.bob);
    assert.ok(alice.refresh_token);
    const claims = await accessTokenClaims(alice.access_token);
    assert.equal(claims.client_id, client.client.client_id);
    assert.equal(claims.scope, alice.scope);
    assert.equal(claims.exp - claims.iat, alice.expires_in);
    assert.ok(claims.sid);
    const again = await accessTokenClaims((await login(USERS.alice)).access_token);
    assert.equal(again.sub, claims.sub, 'the subject is stable');
    assert.notEqual(again.sid, claims.sid, 'each login is a session of its own');
    assert.notEqual((await accessTokenClaims(bob.access_token)).sub, claims.sub);
    for (const value of [USERS.alice.username, USERS.alice.email]) assert.notEqual(claims.sub, value);
  });

  test('login without a resource is for the default one', async () => {
    const { access_token: token } = await client.login(USERS.alice);
    assert.equal((await accessTokenClaims(token)).aud, stack.mcp_url);
  });

  test('an unknown resource is invalid_target, told to the client with state and iss', async () => {
    const request = await client.request({ resource: 'https://elsewhere.example/mcp' });
    const answer = await new Agent(USERS.alice).authorize(request.url, request.redirectUri);
    assert.throws(() => oauth.validateAuthResponse(as, client.client, answer, request.state), { error: 'invalid_target' });
    assert.equal(answer.searchParams.get('iss'), stack.issuer);
    assert.equal(answer.searchParams.get('state'), request.state);
  });

  test('deny at the consent page, and cancel at the provider, are access_denied', async () => {
    const decisions = {
      'our page': ({ buttons }) => buttons.find(({ value }) => value === 'deny'),
      'the provider': ({ buttons }) => buttons.find(({ value }) => value === 'abort') ?? buttons.find(({ value }) => value === 'allow'),
    };
    for (const [where, decide] of Object.entries(decisions)) {
      const request = await client.request({ resource: stack.mcp_url });
      const answer = await new Agent(USERS.alice).authorize(request.url, request.redirectUri, { decide });
      assert.throws(() => oauth.validateAuthResponse(as, client.client, answer, request.state), { error: 'access_denied' }, where);
    }
  });

  test('a code works once, and its second use ends what the first one gave', async () => {
    const request = await client.request({ resource: stack.mcp_url });
    const answer = await new Agent(USERS.alice).authorize(request.url, request.redirectUri);
    const tokens = await client.redeem(request, answer);
    await assert.rejects(client.redeem(request, answer), { error: 'invalid_grant' });
    await assert.rejects(client.refresh(tokens.refresh_token), { error: 'invalid_grant' });
  });

  test('a code needs its verifier and its client', async () => {
    const request = await client.request({ resource: stack.mcp_url });
    const answer = await new Agent(USERS.alice).authorize(request.url, request.redirectUri);
    const other = await client.request();
    await assert.rejects(client.redeem({ ...request, verifier: other.verifier }, answer), { error: 'invalid_grant' });
    const second = await client.request({ resource: stack.mcp_url });
    const secondAnswer = await new Agent(USERS.alice).authorize(second.url, second.redirectUri);
    const stranger = await OAuthClient.register(as);
    await assert.rejects(stranger.redeem(second, secondAnswer), { error: 'invalid_grant' });
  });

  test('refresh tokens rotate; an honest double refresh gets the same successor', async () => {
    const { refresh_token: first, access_token: token } = await login(USERS.alice);
    const second = await client.refresh(first);
    assert.notEqual(second.refresh_token, first);
    const [before, now] = await Promise.all([token, second.access_token].map(accessTokenClaims));
    assert.equal(now.sid, before.sid);
    assert.equal(now.sub, before.sub);
    assert.notEqual(now.jti, before.jti);
    assert.equal((await client.refresh(first)).refresh_token, second.refresh_token);
  });

  test('a spent refresh token presented after its successor was used ends the session', async () => {
    const { refresh_token: first } = await login(USERS.alice);
    const { refresh_token: second } = await client.refresh(first);
    const { refresh_token: third, access_token: token } = await client.refresh(second);
    await assert.rejects(client.refresh(first), { error: 'invalid_grant' });
    await assert.rejects(client.refresh(third), { error: 'invalid_grant' });
    await refusedWithinASecond(token);
  });

  test('exchange: a short token for Nextcloud in the user\'s name', async () => {
    const keys = jose.createRemoteJWKSet(new URL(as.jwks_uri));
    for (const user of Object.values(USERS)) {
      const { access_token: subject } = await login(user);
      const answer = await exchange(subject, { tool: 'nc_notes_create_note' });
      assert.equal(answer.issued_token_type, ACCESS_TOKEN);
      assert.equal(answer.token_type, 'bearer');
      assert.equal(answer.refresh_token, undefined);
      assert.ok(answer.expires_in <= EPHEMERAL_SECONDS, `${answer.expires_in} s`);
      const { payload, protectedHeader } = await jose.jwtVerify(answer.access_token, keys, { issuer: stack.issuer, audience: DOWNSTREAM });
      assert.ok(protectedHeader.kid);
      assert.equal(payload.sub, user.username, 'the Nextcloud user id');
      assert.equal(payload.act.sub, stack.gateway_client_id);
      assert.ok(payload.exp - payload.iat <= EPHEMERAL_SECONDS);
      assert.ok(payload.exp <= jose.decodeJwt(subject).exp);
      assert.equal(payload.scope, answer.scope);
    }
  });

  test('exchange narrows the scope when asked', async () => {
    const { access_token: subject } = await login(USERS.alice, { scope: 'notes.read notes.write' });
    const { access_token: token, scope } = await exchange(subject, { scope: 'notes.read' });
    assert.equal(scope, 'notes.read');
    assert.equal(jose.decodeJwt(token).scope, 'notes.read');
  });

  describe('exchange refuses', () => {
    let subject;
    before(async () => { ({ access_token: subject } = await login(USERS.alice, { scope: 'notes.read' })); });

    test('a wrong client secret', () => assert.rejects(
      new OAuthClient(as, gateway.client, oauth.ClientSecretBasic('not it')).exchange(
        { subject_token: subject, subject_token_type: ACCESS_TOKEN, audience: DOWNSTREAM }),
      // oauth4webapi reports a 401 by its challenge (RFC 6749 §5.2).
      ({ status, response }) => (status ?? response?.status) === 401));

    test('a client that may not exchange', () => assert.rejects(
      client.exchange({ subject_token: subject, subject_token_type: ACCESS_TOKEN, audience: DOWNSTREAM }),
      { error: 'unauthorized_client' }));

    test('another downstream', () => assert.rejects(exchange(subject, { audience: 'payroll' }), { error: 'invalid_target' }));

    test('more scope than the caller has', () => assert.rejects(exchange(subject, { scope: 'notes.write' }), { error: 'invalid_scope' }));

    test('a refresh token or an unknown type as the subject', async () => {
      await assert.rejects(exchange(subject, { subject_token_type: 'urn:ietf:params:oauth:token-type:refresh_token' }), { error: 'invalid_request' });
      const { refresh_token: refresh } = await login(USERS.alice);
      await assert.rejects(exchange(refresh), { error: 'invalid_request' });
    });

    test('its own ephemeral token as the subject', async () => {
      const { access_token: ephemeral } = await exchange(subject);
      await assert.rejects(exchange(ephemeral), { error: 'invalid_request' });
    });

    test('forged tokens', async () => {
      const claims = jose.decodeJwt(subject);
      const header = jose.decodeProtectedHeader(subject);
      const { keys: [published] } = await (await fetch(as.jwks_uri)).json();
      const { privateKey: otherKey } = await jose.generateKeyPair('ES256');
      const publicAsSecret = new TextEncoder().encode(await jose.exportSPKI(await jose.importJWK(published, header.alg)));
      const [head, , signature] = subject.split('.');
      const widened = Buffer.from(JSON.stringify({ ...claims, scope: 'notes.read notes.write' })).toString('base64url');
      const none = Buffer.from(JSON.stringify({ ...header, alg: 'none' })).toString('base64url');
      const forgeries = {
        'another key': await new jose.SignJWT(claims).setProtectedHeader({ ...header, alg: 'ES256' }).sign(otherKey),
        'HS256 with the public key': await new jose.SignJWT(claims).setProtectedHeader({ ...header, alg: 'HS256' }).sign(publicAsSecret),
        'alg none': `${none}.${subject.split('.')[1]}.`,
        'changed claims': `${head}.${widened}.${signature}`,
        'no token at all': 'opaque',
      };
      for (const [name, token] of Object.entries(forgeries)) {
        await assert.rejects(exchange(token), { error: 'invalid_request' }, name);
      }
      assert.ok((await exchange(subject)).access_token, 'the honest token still works');
    });
  });

  describe('a client that signs', () => {
    let signer;
    before(async () => {
      const { privateKey, publicKey } = await oauth.generateKeyPair('ES256');
      const jwk = { ...await jose.exportJWK(publicKey), kid: 'one', alg: 'ES256', use: 'sig' };
      signer = await OAuthClient.register(as, { token_endpoint_auth_method: 'private_key_jwt', jwks: { keys: [jwk] } });
      signer.authentication = oauth.PrivateKeyJwt({ key: privateKey, kid: jwk.kid });
    });

    test('is told so in discovery, and gets no secret', () => {
      assert.ok(as.token_endpoint_auth_methods_supported.includes('private_key_jwt'));
      assert.ok(as.token_endpoint_auth_signing_alg_values_supported.includes('ES256'));
      assert.ok(!as.token_endpoint_auth_signing_alg_values_supported.some((alg) => alg === 'none' || alg.startsWith('HS')));
      assert.equal(signer.client.token_endpoint_auth_method, 'private_key_jwt');
      assert.equal(signer.client.client_secret, undefined);
    });

    test('logs in, refreshes, asks what its tokens are worth, and revokes', async () => {
      const tokens = await signer.login(USERS.alice, { resource: stack.mcp_url });
      const fresh = await signer.refresh(tokens.refresh_token);
      const own = await signer.introspect(fresh.refresh_token);
      assert.equal(own.active, true);
      assert.equal(own.client_id, signer.client.client_id);
      const served = await gateway.introspect(fresh.access_token);
      assert.equal(served.active, true);
      assert.equal(served.sub, jose.decodeJwt(fresh.access_token).sub);
      assert.equal((await gateway.introspect(fresh.refresh_token)).active, false, 'a refresh token is its client\'s matter');
      await signer.revoke(fresh.refresh_token);
      assert.deepEqual(await signer.introspect(fresh.refresh_token), { active: false });
    });

    test('with another key is nobody', async () => {
      const { privateKey } = await oauth.generateKeyPair('ES256');
      const thief = new OAuthClient(as, signer.client, oauth.PrivateKeyJwt({ key: privateKey, kid: 'one' }));
      await assert.rejects(thief.introspect('whatever'), { error: 'invalid_client' });
    });
  });

  test('a machine asks for itself, and for no user', async () => {
    const response = await fetch(`${stack.admin_url}/admin/v1/clients`, {
      method: 'POST',
      headers: { authorization: `Bearer ${stack.admin_token}`, 'content-type': 'application/json' },
      body: JSON.stringify({
        client_name: 'Nightly job', grant_types: ['client_credentials'], token_endpoint_auth_method: 'client_secret_basic', scope: 'notes.read',
      }),
    });
    const { client_id: id, client_secret: secret } = await response.json();
    assert.equal(response.status, 201);
    const machine = new OAuthClient(as, { client_id: id }, oauth.ClientSecretBasic(secret));
    const tokens = await machine.forItself({ resource: stack.mcp_url });
    assert.equal(tokens.refresh_token, undefined);
    const claims = await accessTokenClaims(tokens.access_token);
    assert.equal(claims.sub, id);
    assert.equal(claims.scope, 'notes.read');
    assert.equal((await gateway.introspect(tokens.access_token)).active, true);
    await assert.rejects(exchange(tokens.access_token), { error: 'invalid_request' });
    await assert.rejects(machine.forItself({ scope: 'notes.write' }), { error: 'invalid_scope' });
  });

  test('userinfo says whom a token acts for', async () => {
    const { access_token: token } = await login(USERS.alice);
    const { sub } = jose.decodeJwt(token);
    const response = await oauth.userInfoRequest(as, client.client, token, INSECURE);
    const claims = await oauth.processUserInfoResponse(as, client.client, sub, response);
    assert.equal(claims.preferred_username, USERS.alice.username);
  });

  test('revoking the refresh token ends the session everywhere within a second', async () => {
    const { refresh_token: refresh, access_token: token } = await login(USERS.alice);
    assert.ok((await exchange(token)).access_token);
    await client.revoke(refresh);
    await refusedWithinASecond(token);
    await assert.rejects(client.refresh(refresh), { error: 'invalid_grant' });
  });

  test('revoking the access token does the same', async () => {
    const { refresh_token: refresh, access_token: token } = await login(USERS.alice);
    await client.revoke(token);
    await refusedWithinASecond(token);
    await assert.rejects(client.refresh(refresh), { error: 'invalid_grant' });
  });

  test('revoking what is unknown changes nothing; what is another client\'s is refused', async () => {
    const { refresh_token: refresh } = await login(USERS.alice);
    await client.revoke('never issued');
    const stranger = await OAuthClient.register(as);
    await assert.rejects(stranger.revoke(refresh), { error: 'invalid_grant' });
    assert.ok((await client.refresh(refresh)).access_token);
  });

  function refusedWithinASecond(token) {
    return until('the exchange is refused', REVOCATION_SECONDS, () => exchange(token).then(
      () => false,
      ({ error }) => {
        assert.equal(error, 'invalid_request');
        return true;
      },
    ));
  }
});
