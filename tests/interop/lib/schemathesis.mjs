// schemathesis, which asks an API whatever its OpenAPI description allows, and much that it does not.

import assert from 'node:assert/strict';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';

import { Child } from './process.mjs';

// A Python with `python/requirements.txt` installed.
const PYTHON = process.env.INTEROP_PYTHON;

/** Why tests with schemathesis are skipped, or false. */
export const skipped = PYTHON ? false : 'INTEROP_PYTHON is not set';

/** Fails unless every answer of the API that `description` describes is as described. */
export async function findsNothing(description, args, env = {}) {
  const run = new Child(join(dirname(PYTHON), 'schemathesis'), [
    'run', description,
    ...args,
    '--phases', 'examples,coverage,fuzzing',
    '--max-examples', '20',
    '--seed', '1',
    '--checks', 'all',
    // Beyond its schema a body has to fit the installation: resources that exist, URIs that may be used.
    '--exclude-checks', 'positive_data_acceptance',
    '--no-color',
    // It keeps notes where it runs.
  ], { cwd: tmpdir(), env: { ...process.env, ...env } });
  const code = await run.exit();
  assert.equal(code, 0, run.output);
  assert.match(run.output, /Tested: \d+/);
}
