// Token exchanges as the gateway asks for them, told with the audit row that each left.

import assert from 'node:assert/strict';

import { Admin } from './admin.mjs';
import { ACCESS_TOKEN, TOKEN_EXCHANGE } from './client.mjs';

export const DOWNSTREAM = 'nextcloud';

/**
 * Asks for an exchange of `subject` by the client `by` (`[id, secret]`, an id alone, or `null`); a
 * parameter that is undefined is left out.
 *
 * Returns the status, the answer, and the audit rows of this very request.
 */
export async function ask(stack, subject, { by = gateway(stack), ...more } = {}) {
  const form = {
    grant_type: TOKEN_EXCHANGE,
    subject_token: subject,
    subject_token_type: ACCESS_TOKEN,
    audience: DOWNSTREAM,
    ...(typeof by === 'string' && { client_id: by }),
    ...more,
  };
  const present = Object.entries(form).filter(([, value]) => value !== undefined);
  const response = await fetch(`${stack.issuer}/oauth/token`, {
    method: 'POST',
    headers: Array.isArray(by) ? { authorization: basic(by) } : {},
    body: new URLSearchParams(present),
  });
  assert.equal(response.headers.get('cache-control'), 'no-store');
  const body = await response.json();
  const rows = await new Admin(stack).audit(response.headers.get('x-request-id'));
  return { status: response.status, body, rows };
}

/** The gateway's id and secret. */
export function gateway(stack) {
  return [stack.gateway_client_id, stack.gateway_client_secret];
}

/** The token of an exchange that must be granted; its audit row names the strategy. */
export async function granted(stack, subject, strategy) {
  const { status, body, rows } = await ask(stack, subject);
  assert.equal(status, 200, JSON.stringify(body));
  assert.equal(body.refresh_token, undefined);
  const [row] = rows.filter(({ event }) => event === 'exchange.granted');
  assert.equal(row?.details.strategy, strategy, JSON.stringify(rows));
  assert.equal(row.downstream, DOWNSTREAM);
  return body.access_token;
}

/** Asserts that an exchange was refused so, and that its one audit row says so. */
export function assertRefused({ status, body, rows }, [expected, error], row = {}) {
  const seen = JSON.stringify({ status, body, rows });
  assert.deepEqual([status, body.error], [expected, error], seen);
  assert.equal(body.access_token, undefined);
  const refusals = rows.filter(({ event }) => event === 'exchange.refused');
  assert.equal(refusals.length, 1, seen);
  assert.equal(refusals[0].outcome, 'refused', seen);
  assert.equal(refusals[0].error, error, seen);
  for (const [member, value] of Object.entries(row)) assert.equal(refusals[0][member], value, `${member}: ${seen}`);
  // Nothing that anybody could use stands in the trail.
  assert.doesNotMatch(JSON.stringify(rows), /eyJ/);
}

// RFC 6749 §2.3.1: both parts are form-encoded first.
function basic(pair) {
  return `Basic ${Buffer.from(pair.map(encodeURIComponent).join(':')).toString('base64')}`;
}
