// Real MCP clients against the gateway: they find the broker, register, log in and call tools by
// their own code; the agent only plays the person in the browser.

import { after, before, describe, test } from 'node:test';
import assert from 'node:assert/strict';
import { fileURLToPath } from 'node:url';
import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js';
import { UnauthorizedError } from '@modelcontextprotocol/sdk/client/auth.js';

import { Agent } from './agent.mjs';
import { discover, OAuthClient, REDIRECT_URI } from './lib/client.mjs';
import { until } from './lib/poll.mjs';
import { Child } from './lib/process.mjs';
import { USERS } from './lib/users.mjs';
import { startStack } from './stack.mjs';

// A Python with `python/requirements.txt` installed.
const PYTHON = process.env.INTEROP_PYTHON;
const PYTHON_CLIENT = fileURLToPath(new URL('./python/client.py', import.meta.url));

/** What the TypeScript SDK asks of an application: keep its state, and show the user a URL. */
class Person {
  #saved = {};

  constructor(user, tokens, information) {
    this.user = user;
    this.#saved = { tokens, information };
    this.visits = [];
  }

  get redirectUrl() { return REDIRECT_URI; }

  get clientMetadata() {
    return {
      client_name: 'TypeScript SDK',
      redirect_uris: [REDIRECT_URI],
      grant_types: ['authorization_code', 'refresh_token'],
      response_types: ['code'],
      token_endpoint_auth_method: 'none',
    };
  }

  state() { return `state of ${this.user.username}`; }

  clientInformation() { return this.#saved.information; }
  saveClientInformation(information) { this.#saved.information = information; }
  tokens() { return this.#saved.tokens; }
  saveTokens(tokens) { this.#saved.tokens = tokens; }
  codeVerifier() { return this.#saved.verifier; }
  saveCodeVerifier(verifier) { this.#saved.verifier = verifier; }
  redirectToAuthorization(url) { this.visits.push(url); }

  /** Logs in at the address that the SDK asked to open last. */
  async logIn() {
    const answer = await new Agent(this.user).authorize(this.visits.at(-1).href, REDIRECT_URI);
    assert.equal(answer.searchParams.get('state'), this.state());
    return answer.searchParams.get('code');
  }
}

async function connect(url, person) {
  const client = new Client({ name: 'interop', version: '1' });
  const transport = new StreamableHTTPClientTransport(new URL(url), { authProvider: person });
  try {
    await client.connect(transport);
    return { client, transport };
  } catch (error) {
    if (!(error instanceof UnauthorizedError)) throw error;
  }
  await transport.finishAuth(await person.logIn());
  const second = new StreamableHTTPClientTransport(new URL(url), { authProvider: person });
  await client.connect(second);
  return { client, transport: second };
}

const note = (client, id) => client.callTool({ name: 'nc_notes_get_note', arguments: { note_id: id } });
const createNote = (client, title) => client.callTool({
  name: 'nc_notes_create_note', arguments: { title, content: `${title}, by a foreign client`, category: 'interop' } });

describe('TypeScript SDK', () => {
  let stack;
  const open = [];
  before(async () => { stack = await startStack(); });
  after(async () => {
    for (const client of open) await client.close();
    await stack?.close();
  });

  async function session(person) {
    const { client, transport } = await connect(stack.mcp_url, person);
    open.push(client);
    return { client, transport };
  }

  test('finds the broker, registers, logs in, lists and calls tools', async (context) => {
    const warn = context.mock.method(console, 'warn');
    const alice = new Person(USERS.alice);
    const { client } = await session(alice);
    assert.equal(alice.visits.length, 1, 'one login');
    assert.equal(alice.visits[0].origin, stack.issuer);
    assert.equal(alice.visits[0].searchParams.get('resource'), stack.mcp_url);
    const { tools } = await client.listTools();
    const names = tools.map(({ name }) => name);
    assert.ok(names.includes('nc_notes_create_note'), names.join());
    for (const tool of tools) {
      assert.ok(tool.title && tool.description && tool.inputSchema && tool.annotations, tool.name);
    }
    assert.deepEqual(warn.mock.calls.map(({ arguments: said }) => said), [], 'the schemas are plain JSON Schema');
    const created = await createNote(client, 'From the TypeScript SDK');
    assert.ok(!created.isError, JSON.stringify(created));
    const read = await note(client, created.structuredContent.id);
    assert.equal(read.structuredContent.title, 'From the TypeScript SDK');
  });

  test('two users never see each other\'s notes', async () => {
    const { client: alice } = await session(new Person(USERS.alice));
    const { client: bob } = await session(new Person(USERS.bob));
    const created = await createNote(alice, 'Only for Alice');
    const peek = await note(bob, created.structuredContent.id);
    assert.equal(peek.isError, true);
    const found = await bob.callTool({ name: 'nc_notes_search_notes', arguments: { query: 'Alice' } });
    assert.ok(!JSON.stringify(found).includes('Only for Alice'), JSON.stringify(found));
  });

  test('refreshes an expired token by itself', async () => {
    const alice = new Person(USERS.alice);
    await session(alice);
    const { refresh_token: refresh } = alice.tokens();
    // What the SDK sees after ten minutes: the gateway refuses the token.
    alice.saveTokens({ ...alice.tokens(), access_token: 'expired' });
    const { client } = await session(alice);
    assert.ok((await client.listTools()).tools.length);
    assert.equal(alice.visits.length, 1, 'no second login');
    assert.notEqual(alice.tokens().refresh_token, refresh);
  });

  test('steps up: a call beyond the token\'s scope leads to one more consent, then succeeds', async () => {
    const registered = await OAuthClient.register(await discover(stack.issuer));
    const { refresh_token: _, ...tokens } = await registered.login(USERS.alice, { scope: 'notes.read', resource: stack.mcp_url });
    const alice = new Person(USERS.alice, tokens, registered.client);
    const { client, transport } = await session(alice);
    assert.equal(alice.visits.length, 0);
    await assert.rejects(createNote(client, 'Too early'), UnauthorizedError);
    assert.equal(alice.visits.length, 1);
    assert.ok(alice.visits[0].searchParams.get('scope').split(' ').includes('notes.write'));
    await transport.finishAuth(await alice.logIn());
    const created = await createNote(client, 'After the step-up');
    assert.ok(!created.isError, JSON.stringify(created));
    const read = await note(client, created.structuredContent.id);
    assert.equal(read.structuredContent.title, 'After the step-up', 'the wider token still reads');
  });
});

describe('Python clients', () => {
  let stack;
  before(async () => {
    assert.ok(PYTHON, 'INTEROP_PYTHON names the Python to run the clients with');
    stack = await startStack();
  });
  after(() => stack?.close());

  async function run(kind) {
    const title = `By ${kind}`;
    // fastmcp opens the browser that the environment names; this one prints the address.
    const child = new Child(PYTHON, [PYTHON_CLIENT, kind, stack.mcp_url, title], { env: { ...process.env, BROWSER: 'echo %s' } });
    try {
      const url = await child.line((line) => line.startsWith(`${stack.issuer}/oauth/authorize?`) && line, 30);
      const answer = await new Agent(USERS.alice).authorize(url, new URL(url).searchParams.get('redirect_uri'));
      await until('the client listens for its answer', 10, async () => (await fetch(answer)).ok);
      const result = await child.line((line) => line.startsWith('{') && JSON.parse(line), 30);
      assert.equal(await child.exit(), 0, child.output);
      assert.ok(result.tools.includes('nc_notes_create_note'));
      assert.equal(result.note.title, title);
      return result;
    } finally {
      await child.stop();
    }
  }

  test('mcp, revision 2026-07-28', async () => assert.equal((await run('mcp')).protocol, '2026-07-28'));
  test('mcp, the era of initialize', async () => assert.equal((await run('mcp-legacy')).protocol, '2025-11-25'));
  test('fastmcp', () => run('fastmcp'));
});
