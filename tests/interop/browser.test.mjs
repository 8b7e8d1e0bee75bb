// The pages in a real browser: what a person sees and presses, and what a browser enforces by
// itself (CSP, cookies, history, CORS, frames).

import { after, afterEach, before, beforeEach, describe, test } from 'node:test';
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { chromium } from 'playwright-core';

import { artifacts } from './lib/artifacts.mjs';
import { discover, OAuthClient } from './lib/client.mjs';
import { startListener } from './lib/listener.mjs';
import { until } from './lib/poll.mjs';
import { USERS } from './lib/users.mjs';
import { startStack } from './stack.mjs';

const AXE = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');
const BROWSER = process.env.CHROMIUM ?? '/usr/bin/chromium';
const ACTION_MILLISECONDS = 15_000;
const ARRIVAL_SECONDS = 15;

const ALLOW = 'button[name=decision][value=allow]';
const DENY = 'button[name=decision][value=deny]';

describe('in Chromium', () => {
  const screenshots = artifacts('screenshots');
  let stack;
  let browser;
  let client;
  let listener;
  let context;
  let page;

  before(async () => {
    stack = await startStack();
    browser = await chromium.launch({
      executablePath: BROWSER,
      args: ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking',
        '--disable-component-update', '--disable-sync'],
    });
  });
  after(async () => {
    await browser?.close();
    await stack?.close();
  });

  beforeEach(async () => {
    listener = await startListener();
    client = await OAuthClient.register(await discover(stack.issuer), {
      client_name: 'Notebook <b>helper</b>', redirect_uris: [listener.redirectUri] });
    await freshContext();
  });
  afterEach(async () => {
    await context?.close();
    await listener?.close();
  });

  async function freshContext(options) {
    await context?.close();
    context = await browser.newContext(options);
    context.setDefaultTimeout(ACTION_MILLISECONDS);
    page = await context.newPage();
  }

  const request = (parameters) => client.request({
    redirect_uri: listener.redirectUri, resource: stack.mcp_url, scope: 'notes.read notes.write', ...parameters });

  async function signIn(onPage, user = USERS.alice) {
    await onPage.fill('input[name=username]', user.username);
    await onPage.fill('input[name=password]', user.password);
    await onPage.click('button[value=sign-in]');
    await onPage.click(ALLOW); // the provider's own consent page
  }

  const arrivals = (count) => until(`${count} answers at the redirect URI`, ARRIVAL_SECONDS,
    () => listener.arrived.length >= count && listener.arrived);

  async function assertAccessible(name) {
    await page.screenshot({ path: join(screenshots, `${name}.png`), fullPage: true });
    await page.evaluate(AXE);
    const { violations } = await page.evaluate(() => globalThis.axe.run(globalThis.document, {
      runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'] }));
    assert.deepEqual(violations.map(({ id, nodes }) => `${id}: ${nodes.map(({ html }) => html).join(' ')}`), [], name);
  }

  test('the consent page names the client, where it goes and what it may do; allow leads back to the client', async () => {
    const asked = await request();
    await page.goto(asked.url);
    const text = await page.innerText('body');
    assert.ok(text.includes('Notebook <b>helper</b>'), 'the name is text, not markup');
    assert.match(text, /Answer goes to\s+127\.0\.0\.1\s/);
    assert.match(text, /Read your notes/);
    assert.match(text, /Create, change and delete your notes/);
    assert.ok(text.includes(client.client.client_id));
    await assertAccessible('consent');
    const cookies = await context.cookies(stack.issuer);
    assert.ok(cookies.length);
    for (const { name, httpOnly, sameSite } of cookies) {
      assert.deepEqual({ httpOnly, sameSite }, { httpOnly: true, sameSite: 'Lax' }, name);
    }
    await page.click(ALLOW);
    await signIn(page);
    await page.waitForURL(`${listener.redirectUri}?**`);
    await page.getByRole('heading', { name: 'Back at the client' }).waitFor();
    const [answer] = await arrivals(1);
    const tokens = await client.redeem(asked, answer);
    assert.equal(tokens.scope, 'notes.read notes.write');
  });

  test('deny leads back to the client with access_denied, without a visit to the provider', async () => {
    const visited = [];
    page.on('request', (sent) => visited.push(new URL(sent.url()).origin));
    const asked = await request();
    await page.goto(asked.url);
    await page.click(DENY);
    const [answer] = await arrivals(1);
    assert.equal(answer.searchParams.get('error'), 'access_denied');
    assert.equal(answer.searchParams.get('state'), asked.state);
    assert.equal(answer.searchParams.get('iss'), stack.issuer);
    assert.ok(!visited.includes(stack.upstream_issuer), visited.join());
  });

  test('works on a small screen, in the dark, and without scripts', async () => {
    await freshContext({ viewport: { width: 360, height: 640 }, colorScheme: 'dark' });
    await page.goto((await request()).url);
    await assertAccessible('consent-small-dark');
    const [width, visible] = await page.evaluate(() => [document.documentElement.scrollWidth, innerWidth]);
    assert.ok(width <= visible, 'nothing to scroll sideways');

    await freshContext({ javaScriptEnabled: false });
    const asked = await request();
    await page.goto(asked.url);
    await page.click(ALLOW);
    await signIn(page);
    const [answer] = await arrivals(1);
    assert.ok((await client.redeem(asked, answer)).access_token);
  });

  test('back to the consent page after the end: nothing left to allow, the code stays good', async () => {
    const asked = await request();
    await page.goto(asked.url);
    const consent = page.url();
    await page.click(ALLOW);
    await signIn(page);
    const [answer] = await arrivals(1);
    while (page.url() !== consent) await page.goBack();
    assert.equal(await page.locator(ALLOW).count(), 0);
    await assertAccessible('back-after-the-end');
    assert.ok((await client.redeem(asked, answer)).access_token);
    assert.equal(listener.arrived.length, 1);
  });

  test('a second login in the same browser asks for consent again, but for no password', async () => {
    for (const count of [1, 2]) {
      const asked = await request();
      await page.goto(asked.url);
      await page.click(ALLOW);
      if (count === 1) await signIn(page);
      const answer = (await arrivals(count)).at(-1);
      assert.ok((await client.redeem(asked, answer)).access_token);
    }
  });

  test('the consent form sent twice, the first answer lost: one login, no error to the user', async () => {
    const asked = await request();
    await page.goto(asked.url);
    const flow = page.url();
    const first = [];
    await page.route('**/oauth/consent', async (route) => {
      first.push((await route.fetch({ maxRedirects: 0 })).status());
      await route.continue();
    });
    await page.click(ALLOW);
    await signIn(page);
    const [answer] = await arrivals(1);
    assert.deepEqual(first, [303]);
    assert.ok((await client.redeem(asked, answer)).access_token);
    // The finished flow's own page again, as "back" and "reload" would show it.
    const status = (await page.goto(flow)).status();
    assert.ok(status < 500, String(status));
    assert.equal(await page.locator(ALLOW).count(), 0, 'nothing left to allow');
    await assertAccessible('flow-over');
    assert.equal(listener.arrived.length, 1);
  });

  test('two tabs at once both get through, in any order', async () => {
    const [first, second] = [await request(), await request()];
    const other = await context.newPage();
    await page.goto(first.url);
    await other.goto(second.url);
    await other.click(ALLOW);
    await signIn(other);
    await arrivals(1);
    await page.click(ALLOW);
    const answers = await arrivals(2);
    for (const asked of [first, second]) {
      const answer = answers.find((url) => url.searchParams.get('state') === asked.state);
      assert.ok((await client.redeem(asked, answer)).access_token);
    }
  });

  test('a consent form belongs to the browser that it was shown in', async () => {
    await page.goto((await request()).url);
    const body = await page.$eval('form', (form) => new URLSearchParams(new FormData(form)).toString());
    const action = await page.$eval('form', (form) => form.action);
    const stranger = await browser.newContext();
    const answer = await stranger.request.post(action, {
      headers: { 'content-type': 'application/x-www-form-urlencoded', origin: stack.issuer },
      data: `${body}&decision=allow`, maxRedirects: 0 });
    assert.ok(answer.status() >= 400 && answer.status() < 500, String(answer.status()));
    await stranger.close();
    await page.click(ALLOW);
    await page.waitForURL(`${stack.upstream_issuer}/**`);
  });

  test('an unknown client and a foreign redirect URI end on a page, not on a redirect', async () => {
    const asked = await request();
    for (const [name, parameter, value] of [
      ['unknown-client', 'client_id', 'nobody'], ['foreign-redirect', 'redirect_uri', 'https://elsewhere.example/callback']]) {
      const url = new URL(asked.url);
      url.searchParams.set(parameter, value);
      const response = await page.goto(url.href);
      assert.equal(response.status(), 400);
      assert.equal(new URL(page.url()).origin, stack.issuer);
      assert.equal(await page.locator('a[href*="elsewhere.example"]').count(), 0);
      await assertAccessible(name);
    }
    assert.equal(listener.arrived.length, 0);
  });

  describe('where an administrator approves clients', () => {
    let guarded;
    before(async () => { guarded = await startStack({ registration: 'approval' }); });
    after(() => guarded?.close());

    test('the page says which client waits, and "Check again" goes on once it is approved', async () => {
      const stranger = await OAuthClient.register(await discover(guarded.issuer), {
        client_name: 'Notebook <b>helper</b>', redirect_uris: [listener.redirectUri] });
      const id = stranger.client.client_id;
      const asked = await stranger.request({
        redirect_uri: listener.redirectUri, resource: guarded.mcp_url, scope: 'notes.read' });
      await freshContext({ viewport: { width: 390, height: 844 } });
      assert.equal((await page.goto(asked.url)).status(), 403);
      const text = await page.innerText('body');
      assert.ok(text.includes(id), text);
      assert.ok(text.includes('Notebook <b>helper</b>'), 'the name is text, not markup');
      assert.match(text, /Answers go to\s+127\.0\.0\.1\s/);
      const width = await page.evaluate(() => document.documentElement.scrollWidth);
      assert.ok(width <= 390, 'nothing to scroll sideways');
      await assertAccessible('waiting');

      const checkAgain = page.getByRole('link', { name: 'Check again' });
      await checkAgain.click();
      await page.getByRole('heading', { name: 'Waiting for an administrator' }).waitFor();
      assert.equal(page.url(), asked.url);
      const approved = await fetch(`${guarded.admin_url}/admin/v1/clients/${id}/approve`, {
        method: 'POST', headers: { authorization: `Bearer ${guarded.admin_token}` } });
      assert.equal(approved.status, 200);
      await checkAgain.click();
      await page.click(ALLOW);
      await signIn(page);
      const [answer] = await arrivals(1);
      assert.ok((await stranger.redeem(asked, answer)).access_token);
    });
  });

  describe('seen from another origin', () => {
    let origin;
    let server;
    before(async () => {
      server = createServer((incoming, response) => {
        response.writeHead(200, { 'content-type': 'text/html' }).end('<!doctype html><title>Another site</title>');
      }).listen(0, '127.0.0.1');
      await once(server, 'listening');
      origin = `http://127.0.0.1:${server.address().port}`;
    });
    after(() => server?.close());

    test('the consent page cannot be framed', async () => {
      const { url } = await request();
      await page.goto(origin);
      await page.evaluate((src) => {
        const frame = document.createElement('iframe');
        frame.src = src;
        document.body.append(frame);
      }, url);
      await until('the frame shows an error instead', ARRIVAL_SECONDS, () => page.frames().some((frame) => frame.url().startsWith('chrome-error:')));
    });

    test('a client in a web page can discover, register, and read the gateway\'s challenge', async () => {
      await page.goto(origin);
      const seen = await page.evaluate(async ({ mcp, issuer }) => {
        const version = { 'mcp-protocol-version': '2025-11-25' };
        const post = (body, headers) => ({ method: 'POST', headers: { 'content-type': 'application/json', ...headers }, body: JSON.stringify(body) });
        const challenge = await fetch(mcp, post({ jsonrpc: '2.0', id: 1, method: 'tools/list' },
          { accept: 'application/json, text/event-stream', authorization: 'Bearer nothing', ...version }));
        const www = challenge.headers.get('www-authenticate');
        const metadataUrl = /resource_metadata="([^"]+)"/.exec(www)[1];
        const resource = await (await fetch(metadataUrl, { headers: version })).json();
        const as = await (await fetch(`${resource.authorization_servers[0]}/.well-known/oauth-authorization-server`, { headers: version })).json();
        const registered = await (await fetch(as.registration_endpoint, post({
          client_name: 'Web page', redirect_uris: [`${location.origin}/callback`], token_endpoint_auth_method: 'none' }))).json();
        const token = await fetch(as.token_endpoint, { method: 'POST', body: new URLSearchParams({
          grant_type: 'authorization_code', code: 'unknown', client_id: registered.client_id, code_verifier: 'v'.repeat(43) }) });
        return { status: challenge.status, resource, issuer, as: as.issuer, clientId: registered.client_id, error: (await token.json()).error };
      }, { mcp: stack.mcp_url, issuer: stack.issuer });
      assert.equal(seen.status, 401);
      assert.equal(seen.resource.resource, stack.mcp_url);
      assert.equal(seen.as, stack.issuer);
      assert.ok(seen.clientId);
      assert.equal(seen.error, 'invalid_grant');
    });
  });
});
