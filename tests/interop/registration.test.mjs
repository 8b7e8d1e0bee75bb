// schemathesis against registration (RFC 7591) and its management (RFC 7592), as
// docs/registration-openapi.json describes them.

import { after, before, describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';

import { findsNothing, skipped } from './lib/schemathesis.mjs';
import { startStack } from './stack.mjs';

const DESCRIPTION = fileURLToPath(new URL('../../docs/registration-openapi.json', import.meta.url));
const HOOKS = fileURLToPath(new URL('./python/registration_client.py', import.meta.url));

describe('schemathesis', { skip: skipped }, () => {
  let stack;
  before(async () => { stack = await startStack(); });
  after(() => stack?.close());

  test('finds nothing in registration', { timeout: 280_000 }, () => findsNothing(
    DESCRIPTION,
    ['--url', stack.issuer],
    { SCHEMATHESIS_HOOKS: HOOKS },
  ));
});
