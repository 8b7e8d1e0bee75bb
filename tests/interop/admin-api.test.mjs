// schemathesis against the admin API: no answer is a fault of ours, none is missing from the
// description, and no operation forgets to ask for the token.

import { after, before, describe, test } from 'node:test';

import { findsNothing, skipped } from './lib/schemathesis.mjs';
import { startStack } from './stack.mjs';

describe('schemathesis', { skip: skipped }, () => {
  let stack;
  before(async () => { stack = await startStack(); });
  after(() => stack?.close());

  test('finds nothing in the admin API', { timeout: 280_000 }, () => findsNothing(
    `${stack.admin_url}/admin/openapi.json`,
    ['--header', `Authorization: Bearer ${stack.admin_token}`],
  ));
});
