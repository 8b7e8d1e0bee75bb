// An OAuth client made with oauth4webapi, which checks every answer as the RFCs say: the content
// type, the status, `state`, `iss`, the token's form.

import * as oauth from 'oauth4webapi';

import { Agent } from '../agent.mjs';

// The stack listens on plain http, on loopback only.
export const INSECURE = { [oauth.allowInsecureRequests]: true };
// Nobody listens there: the agent stops before it would go.
export const REDIRECT_URI = 'http://127.0.0.1:9/callback';

export async function discover(issuer, algorithm = 'oauth2') {
  const url = new URL(issuer);
  return oauth.processDiscoveryResponse(url, await oauth.discoveryRequest(url, { algorithm, ...INSECURE }));
}

export class OAuthClient {
  /** Registers a public client (RFC 7591). */
  static async register(as, metadata = {}) {
    const response = await oauth.dynamicClientRegistrationRequest(as, {
      client_name: 'Interoperability test',
      redirect_uris: [REDIRECT_URI],
      grant_types: ['authorization_code', 'refresh_token'],
      response_types: ['code'],
      token_endpoint_auth_method: 'none',
      ...metadata,
    }, INSECURE);
    return new OAuthClient(as, await oauth.processDynamicClientRegistrationResponse(response), oauth.None());
  }

  constructor(as, client, authentication) {
    this.as = as;
    this.client = client;
    this.authentication = authentication;
  }

  /** An authorization request, with what is needed to finish it. */
  async request(parameters = {}) {
    const verifier = oauth.generateRandomCodeVerifier();
    const state = oauth.generateRandomState();
    const redirectUri = parameters.redirect_uri ?? REDIRECT_URI;
    const url = new URL(this.as.authorization_endpoint);
    url.search = new URLSearchParams({
      response_type: 'code',
      client_id: this.client.client_id,
      redirect_uri: redirectUri,
      state,
      code_challenge: await oauth.calculatePKCECodeChallenge(verifier),
      code_challenge_method: 'S256',
      ...parameters,
    });
    return { url: url.href, state, verifier, redirectUri, resource: parameters.resource };
  }

  /** Takes the answer at the redirect URI to the token endpoint. */
  async redeem({ state, verifier, redirectUri, resource }, answerUrl) {
    const answer = oauth.validateAuthResponse(this.as, this.client, answerUrl, state);
    const response = await oauth.authorizationCodeGrantRequest(
      this.as, this.client, this.authentication, answer, redirectUri, verifier,
      { ...(resource && { additionalParameters: { resource } }), ...INSECURE },
    );
    return oauth.processAuthorizationCodeResponse(this.as, this.client, response);
  }

  /** The whole login of `user`, through the pages. */
  async login(user, parameters) {
    const request = await this.request(parameters);
    return this.redeem(request, await new Agent(user).authorize(request.url, request.redirectUri));
  }

  async refresh(refreshToken) {
    const response = await oauth.refreshTokenGrantRequest(this.as, this.client, this.authentication, refreshToken, INSECURE);
    return oauth.processRefreshTokenResponse(this.as, this.client, response);
  }

  async exchange(parameters) {
    const response = await oauth.genericTokenEndpointRequest(
      this.as, this.client, this.authentication, TOKEN_EXCHANGE, parameters, INSECURE);
    return oauth.processGenericTokenEndpointResponse(this.as, this.client, response);
  }

  /** A token for the client itself (RFC 6749 §4.4). */
  async forItself(parameters) {
    const response = await oauth.clientCredentialsGrantRequest(this.as, this.client, this.authentication, parameters, INSECURE);
    return oauth.processClientCredentialsResponse(this.as, this.client, response);
  }

  async introspect(token) {
    const response = await oauth.introspectionRequest(this.as, this.client, this.authentication, token, INSECURE);
    return oauth.processIntrospectionResponse(this.as, this.client, response);
  }

  async revoke(token) {
    await oauth.processRevocationResponse(
      await oauth.revocationRequest(this.as, this.client, this.authentication, token, INSECURE));
  }
}

export const TOKEN_EXCHANGE = 'urn:ietf:params:oauth:grant-type:token-exchange';
export const ACCESS_TOKEN = 'urn:ietf:params:oauth:token-type:access_token';
