// The upstream identity provider: npm oidc-provider, a certified implementation that is not ours,
// with two users, a login page that checks the password and a consent page.
//
// It is strict about what the broker sends (PKCE, exact redirect URIs, rotating refresh tokens) and
// offers what a downstream strategy may need: RFC 8707 resources with RFC 9068 access tokens, and
// RFC 8693 token exchange.

import { generateKeyPairSync, randomBytes } from 'node:crypto';
import { createServer } from 'node:http';
import { once } from 'node:events';

import Provider, { errors } from 'oidc-provider';

import { escape } from './lib/html.mjs';
import { USERS } from './lib/users.mjs';

const TOKEN_EXCHANGE = 'urn:ietf:params:oauth:grant-type:token-exchange';
const ACCESS_TOKEN = 'urn:ietf:params:oauth:token-type:access_token';
const MINUTE = 60;
const HOUR = 60 * MINUTE;

/**
 * Starts the provider on a free loopback port.
 *
 * `clients` are client metadata documents (RFC 7591 names); `resources` maps an RFC 8707 identifier
 * to the scopes that it knows; `defaultResource` is the one of a login that names none.
 *
 * What it returns can be told to behave otherwise from now on: `tokens.audience` and `tokens.seconds`
 * replace the `aud` and the life of tokens for resources, with `tokens.unwell` the token endpoint
 * answers 503, and `forget` ends all logins of a user.
 */
export async function startIdp({ clients, resources = {}, defaultResource }) {
  const server = createServer();
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const issuer = `http://127.0.0.1:${server.address().port}`;
  const tokens = {};
  const provider = new Provider(issuer, configuration(clients, resources, defaultResource, tokens));
  const grants = new Map();
  let refreshes = 0;
  provider.on('grant.success', (ctx) => {
    const { accountId, jti } = ctx.oidc.entities.Grant ?? {};
    if (jti) grants.set(jti, accountId);
  });
  provider.use(async (ctx, next) => {
    await next();
    if (ctx.oidc?.params?.grant_type === 'refresh_token') refreshes += 1;
  });
  provider.registerGrantType(
    TOKEN_EXCHANGE,
    tokenExchange(provider, resources, tokens),
    ['subject_token', 'subject_token_type', 'audience', 'scope', 'requested_token_type'],
  );
  const fallback = provider.callback();
  server.on('request', (request, response) => {
    if (tokens.unwell && request.url === '/token') return response.writeHead(503).end();
    const interaction = /^\/interaction\/([\w-]+)$/.exec(request.url);
    if (!interaction) return fallback(request, response);
    return interact(provider, request, response).catch((error) => {
      response.writeHead(400, { 'content-type': 'text/plain' }).end(`${error.name}: ${error.message}`);
    });
  });
  return {
    issuer,
    tokens,
    /** How often new tokens were asked for with a refresh token, whatever came of it. */
    refreshes: () => refreshes,
    async forget({ sub }) {
      for (const [id, accountId] of grants) {
        if (accountId === sub) await (await provider.Grant.find(id))?.destroy();
      }
    },
    async close() {
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  };
}

function configuration(clients, resources, defaultResource, tokens) {
  const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
  const key = { ...privateKey.export({ format: 'jwk' }), kid: 'idp-1', alg: 'RS256', use: 'sig' };
  return {
    clients,
    jwks: { keys: [key] },
    cookies: { keys: [randomBytes(32).toString('base64url')] },
    scopes: ['openid', 'offline_access', 'profile', 'email'],
    claims: { openid: ['sub'], profile: ['preferred_username', 'name'], email: ['email', 'email_verified'] },
    // Providers like Keycloak put the profile into the id_token; so does this one.
    conformIdTokenClaims: false,
    // And the user name into its access tokens, which is what Nextcloud maps to an account.
    extraTokenClaims: async (_ctx, { accountId }) => {
      const user = Object.values(USERS).find(({ sub }) => sub === accountId);
      return user && { preferred_username: user.username };
    },
    pkce: { required: () => true },
    rotateRefreshToken: true,
    issueRefreshToken: async (_ctx, client) => client.grantTypeAllowed('refresh_token'),
    interactions: { url: (_ctx, interaction) => `/interaction/${interaction.uid}` },
    features: {
      devInteractions: { enabled: false },
      revocation: { enabled: true },
      introspection: { enabled: true },
      resourceIndicators: {
        enabled: true,
        defaultResource: () => defaultResource,
        useGrantedResource: () => true,
        getResourceServerInfo: (_ctx, identifier) => resourceServer(resources, identifier, tokens),
      },
    },
    ttl: {
      AccessToken: (_ctx, token) => token.resourceServer?.accessTokenTTL ?? 10 * MINUTE,
      AuthorizationCode: MINUTE,
      Grant: HOUR,
      IdToken: 10 * MINUTE,
      Interaction: 10 * MINUTE,
      RefreshToken: HOUR,
      Session: HOUR,
    },
    findAccount: async (_ctx, id) => {
      const user = Object.values(USERS).find(({ sub }) => sub === id);
      return user && { accountId: id, claims: async () => claims(user) };
    },
    renderError: async (ctx, out) => {
      ctx.type = 'text/plain';
      ctx.body = `${out.error}: ${out.error_description ?? ''}`;
    },
  };
}

function claims({ sub, username, name, email }) {
  return { sub, preferred_username: username, name, email, email_verified: true };
}

function resourceServer(resources, identifier, { audience = identifier, seconds = 5 * MINUTE }) {
  const scopes = resources[identifier];
  if (!scopes) throw new errors.InvalidTarget();
  return {
    audience,
    scope: scopes.join(' '),
    accessTokenFormat: 'jwt',
    accessTokenTTL: seconds,
    jwt: { sign: { alg: 'RS256' } },
  };
}

async function interact(provider, request, response) {
  const interaction = await provider.interactionDetails(request, response);
  const { prompt } = interaction;
  const submitted = request.method === 'POST' ? await form(request) : undefined;
  if (submitted?.get('decision') === 'abort') {
    return finish(provider, request, response, { error: 'access_denied', error_description: 'The user said no.' });
  }
  if (prompt.name === 'login') {
    if (!submitted) return page(response, 'Sign in', LOGIN);
    const user = USERS[submitted.get('username')];
    if (user?.password !== submitted.get('password')) {
      return page(response, 'Sign in', `<p role="alert">Wrong user name or password.</p>${LOGIN}`);
    }
    return finish(provider, request, response, { login: { accountId: user.sub } });
  }
  if (!submitted) return page(response, 'Consent at the identity provider', consentForm(interaction));
  return finish(provider, request, response, { consent: { grantId: await grant(provider, interaction) } });
}

const LOGIN = `<form method="post">
<p><label>User name <input name="username" autocomplete="username" required></label></p>
<p><label>Password <input name="password" type="password" autocomplete="current-password" required></label></p>
<p><button name="decision" value="sign-in">Sign in</button> <button name="decision" value="abort" formnovalidate>Cancel</button></p>
</form>`;

function consentForm({ params }) {
  return `<p><b>${escape(params.client_id)}</b> asks for: ${escape(params.scope ?? '')}</p>
<form method="post"><button name="decision" value="allow">Continue</button> <button name="decision" value="abort">Cancel</button></form>`;
}

async function grant(provider, { grantId, session, params, prompt: { details } }) {
  const granted = grantId
    ? await provider.Grant.find(grantId)
    : new provider.Grant({ accountId: session.accountId, clientId: params.client_id });
  if (details.missingOIDCScope) granted.addOIDCScope(details.missingOIDCScope.join(' '));
  if (details.missingOIDCClaims) granted.addOIDCClaims(details.missingOIDCClaims);
  for (const [resource, scopes] of Object.entries(details.missingResourceScopes ?? {})) {
    granted.addResourceScope(resource, scopes.join(' '));
  }
  return granted.save();
}

function finish(provider, request, response, result) {
  return provider.interactionFinished(request, response, result, { mergeWithLastSubmission: result.consent !== undefined });
}

async function form(request) {
  const chunks = [];
  for await (const chunk of request) chunks.push(chunk);
  return new URLSearchParams(Buffer.concat(chunks).toString());
}

function page(response, title, body) {
  response.writeHead(200, { 'content-type': 'text/html; charset=utf-8', 'cache-control': 'no-store' });
  response.end(`<!doctype html><html lang="en"><head><meta charset="utf-8"><title>${title}</title></head><body><h1>${title}</h1>${body}</body></html>`);
}

/** RFC 8693: one of this provider's own access tokens becomes one for another audience. */
function tokenExchange(provider, resources, tokens) {
  return async (ctx) => {
    const { client, params } = ctx.oidc;
    if (params.subject_token_type !== ACCESS_TOKEN) throw new errors.InvalidRequest('unsupported subject_token_type');
    const subject = params.subject_token && (await provider.AccessToken.find(params.subject_token));
    const isLive = subject && !subject.isExpired && (await provider.Grant.find(subject.grantId));
    if (!isLive) throw new errors.InvalidRequest('the subject_token is not a live access token');
    const info = resourceServer(resources, params.audience, tokens);
    const scope = params.scope ?? info.scope;
    const token = new provider.AccessToken({
      accountId: subject.accountId,
      client,
      gty: TOKEN_EXCHANGE,
      grantId: subject.grantId,
      scope,
    });
    token.resourceServer = new provider.ResourceServer(params.audience, info);
    ctx.body = {
      access_token: await token.save(),
      issued_token_type: ACCESS_TOKEN,
      token_type: 'Bearer',
      expires_in: token.expiration,
      scope,
    };
  };
}
