// The official MCP conformance suite against the broker as an authorization server.
//
// The suite prints an authorization URL and waits for its own listener to be called back; the agent
// plays the person in front of the browser.

import { after, before, describe, test } from 'node:test';
import assert from 'node:assert/strict';
import { mkdtemp, readdir, readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { join } from 'node:path';

import { Agent } from './agent.mjs';
import { artifacts } from './lib/artifacts.mjs';
import { Child } from './lib/process.mjs';
import { freePorts } from './lib/ports.mjs';
import { register } from './lib/register.mjs';
import { USERS } from './lib/users.mjs';
import { startStack } from './stack.mjs';

const SUITE = fileURLToPath(new URL('./node_modules/@modelcontextprotocol/conformance/dist/index.js', import.meta.url));
const EXPECTED = {
  'authorization-server-metadata': 'SUCCESS',
  'authorization-server-metadata-cimd': 'SUCCESS',
  'authorization-code-grant': 'SUCCESS',
};

describe('MCP conformance, authorization server', () => {
  let stack;
  before(async () => { stack = await startStack(); });
  after(() => stack?.close());

  test('without a resource', () => run('plain', () => []));
  test('with a resource', () => run('resource', () => ['--resource', stack.mcp_url]));
  test('revision 2026-07-28', () => run('2026-07-28', () => ['--resource', stack.mcp_url, '--spec-version', '2026-07-28']));
  test('revision 2026-07-28 without a resource', () => run('2026-07-28-plain', () => ['--spec-version', '2026-07-28']));

  async function run(name, options) {
    const port = await freePorts(1);
    const redirectUri = `http://127.0.0.1:${port}/callback`;
    const { client_id: clientId } = await register(stack.issuer, { redirect_uris: [redirectUri] });
    const results = await mkdtemp(join(artifacts('conformance'), `${name}-`));
    const suite = new Child(process.execPath, [
      SUITE, 'authorization',
      '--url', stack.issuer,
      '--client-id', clientId,
      '--port', String(port),
      '--output-dir', results,
      ...options(),
    ]);
    try {
      const url = await suite.line((line) => line.startsWith(`${stack.issuer}/oauth/authorize?`) && line.trim(), 30);
      const { page } = await new Agent(USERS.alice).travel(url);
      assert.equal(new URL(page.url).origin, new URL(redirectUri).origin, 'the trip ends at the suite\'s own listener');
      const code = await suite.exit();
      assert.deepEqual(await checks(results), EXPECTED, suite.output);
      assert.equal(code, 0, suite.output);
    } finally {
      await suite.stop();
    }
  }
});

/** Each check's id and status, from the `checks.json` of every scenario. */
async function checks(folder) {
  const found = {};
  for (const scenario of await readdir(folder)) {
    for (const { id, status } of JSON.parse(await readFile(join(folder, scenario, 'checks.json'), 'utf8'))) {
      assert.ok(!(id in found), `${id} is reported twice`);
      found[id] = status;
    }
  }
  return found;
}
