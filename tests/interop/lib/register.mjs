// Dynamic client registration (RFC 7591) of a public client, as an MCP client does it.

import assert from 'node:assert/strict';

export async function register(issuer, metadata) {
  const { registration_endpoint: endpoint } = await (await fetch(`${issuer}/.well-known/oauth-authorization-server`)).json();
  const response = await fetch(endpoint, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({
      client_name: 'Interoperability test',
      grant_types: ['authorization_code', 'refresh_token'],
      response_types: ['code'],
      token_endpoint_auth_method: 'none',
      ...metadata,
    }),
  });
  const registered = await response.json();
  assert.equal(response.status, 201, JSON.stringify(registered));
  return registered;
}
