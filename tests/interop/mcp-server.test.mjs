// The official MCP conformance suite against the gateway as an MCP server, in both eras.
//
// The suite cannot log in, so a proxy adds a token that a person got through the broker's pages.
// Many scenarios call tools of the suite's own fixture server by name; `mcp-server-baseline.yml`
// lists them. The suite fails when anything else fails, and when a listed one passes.

import { after, before, describe, test } from 'node:test';
import assert from 'node:assert/strict';
import { mkdtemp, readdir, readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { join } from 'node:path';

import { artifacts } from './lib/artifacts.mjs';
import { startBearerProxy } from './lib/bearer-proxy.mjs';
import { discover, OAuthClient } from './lib/client.mjs';
import { Child } from './lib/process.mjs';
import { USERS } from './lib/users.mjs';
import { startStack } from './stack.mjs';

const SUITE = fileURLToPath(new URL('./node_modules/@modelcontextprotocol/conformance/dist/index.js', import.meta.url));
const BASELINE = fileURLToPath(new URL('./mcp-server-baseline.yml', import.meta.url));

/** What has to run and to pass without any fixture, with the number of its checks that do. */
const ERAS = {
  '2025-11-25': {
    'server-initialize': 2,
    ping: 2,
    'tools-list': 3,
    'resources-list': 2,
    'dns-rebinding-protection': 2,
  },
  '2026-07-28': {
    'server-stateless': 21,
    'tools-list': 4,
    'server-sse-multiple-streams': 1,
    'resources-list': 2,
    'sep-2164-resource-not-found': 4,
    'dns-rebinding-protection': 2,
    caching: 8,
    'http-header-validation': 14,
    'input-required-result-unsupported-methods': 2,
  },
};

describe('MCP conformance, server', () => {
  let stack;
  let proxy;
  before(async () => {
    stack = await startStack();
    const as = await discover(stack.issuer);
    const client = await OAuthClient.register(as);
    const { access_token: token } = await client.login(USERS.alice, { resource: stack.mcp_url, scope: as.scopes_supported.join(' ') });
    proxy = await startBearerProxy(stack.mcp_url, token);
  });
  after(async () => {
    await proxy?.close();
    await stack?.close();
  });

  for (const [revision, expected] of Object.entries(ERAS)) {
    test(`revision ${revision}`, async () => {
      const results = await mkdtemp(join(artifacts('conformance'), `server-${revision}-`));
      const suite = new Child(process.execPath, [
        SUITE, 'server',
        '--url', proxy.url,
        '--suite', 'all',
        '--spec-version', revision,
        '--expected-failures', BASELINE,
        '--output-dir', results,
      ]);
      try {
        assert.equal(await suite.exit(), 0, suite.output);
        const passed = await passes(results);
        assert.deepEqual(Object.fromEntries(Object.keys(expected).map((name) => [name, passed[name]])), expected);
      } finally {
        await suite.stop();
      }
    });
  }
});

/** How many checks of each scenario passed, from its `checks.json`. */
async function passes(folder) {
  const found = {};
  for (const run of await readdir(folder)) {
    // server-SCENARIO-TIME
    const [, scenario] = /^server-(.+)-\d{4}-\d\d-\d\dT[\d-]+Z$/.exec(run);
    const checks = JSON.parse(await readFile(join(folder, run, 'checks.json'), 'utf8'));
    found[scenario] = checks.filter(({ status }) => status === 'SUCCESS').length;
  }
  return found;
}
