// That a tool call reaches Nextcloud as whoever logged in, and as nobody else.

import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';

import { callTool } from './mcp.mjs';
import { USERS } from './users.mjs';

/** Alice's call makes a note, which alice finds and bob does not; `login` gives a user's tokens. */
export async function callsReachWhoeverLoggedIn(stack, login) {
  const { access_token: alice } = await login(USERS.alice);
  const { access_token: bob } = await login(USERS.bob);
  const title = `Of alice alone ${randomBytes(4).toString('hex')}`;
  const call = async (token, tool, parameters) => {
    const result = await callTool(stack.mcp_url, token, tool, parameters);
    assert.notEqual(result.isError, true, JSON.stringify(result));
    return JSON.stringify(result);
  };
  await call(alice, 'nc_notes_create_note', { title, content: 'Text', category: '' });
  const found = (token) => call(token, 'nc_notes_search_notes', { query: title });
  assert.match(await found(alice), new RegExp(title));
  assert.doesNotMatch(await found(bob), new RegExp(title));
}
