// schemathesis against the admin API: whatever its description allows, and much that it does not, is
// answered as described. No answer is a fault of ours, none is missing from the description, and no
// operation forgets to ask for the token.

import { after, before, describe, test } from 'node:test';
import assert from 'node:assert/strict';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';

import { Child } from './lib/process.mjs';
import { startStack } from './stack.mjs';

// A Python with `python/requirements.txt` installed.
const PYTHON = process.env.INTEROP_PYTHON;

describe('schemathesis', { skip: PYTHON ? false : 'INTEROP_PYTHON is not set' }, () => {
  let stack;
  before(async () => { stack = await startStack(); });
  after(() => stack?.close());

  test('finds nothing in the admin API', { timeout: 280_000 }, async () => {
    const run = new Child(join(dirname(PYTHON), 'schemathesis'), [
      'run', `${stack.admin_url}/admin/openapi.json`,
      '--header', `Authorization: Bearer ${stack.admin_token}`,
      '--phases', 'examples,coverage,fuzzing',
      '--max-examples', '20',
      '--seed', '1',
      '--checks', 'all',
      // Beyond its schema a body has to fit the installation: resources that exist, URIs that may be used.
      '--exclude-checks', 'positive_data_acceptance',
      '--no-color',
      // It keeps notes where it runs.
    ], { cwd: tmpdir() });
    const code = await run.exit();
    assert.equal(code, 0, run.output);
    assert.match(run.output, /Tested: \d+/);
  });
});
