// A person with a browser, without the browser: keeps cookies, follows redirects, fills in and
// submits the first form of each page, until the trip leaves for the client's redirect URI.
//
// Cookies are kept per host name and not per port, as browsers do (RFC 6265 §8.5): the broker, the
// identity provider and the client of these tests share 127.0.0.1 and would show it if they clashed.

import { firstForm } from './lib/html.mjs';

const MAX_STEPS = 20;
const REDIRECTS = new Set([301, 302, 303, 307, 308]);

export class Agent {
  #cookies = new Map();

  constructor(user) {
    this.user = user;
    /** Every request of the agent, as `METHOD status url`, for messages and assertions. */
    this.trail = [];
  }

  /**
   * Opens `url` and goes on, page by page, until a redirect to `until` (a prefix) or until a page
   * without a form. `decide` picks the value of a page's `decision` button.
   *
   * Returns the address that it was sent to, not fetched, or the last page.
   */
  async travel(url, { until, decide = preferConsent } = {}) {
    let step = await this.fetch(url);
    for (let count = 0; count < MAX_STEPS; count += 1) {
      if (REDIRECTS.has(step.status)) {
        const target = new URL(step.headers.get('location'), step.url).href;
        if (until && target.startsWith(until)) return { redirect: new URL(target) };
        // RFC 9110 §15.4.8: 307 and 308 keep the method; a credential form must not be replayed so.
        if (step.status >= 307) throw new Error(`a ${step.status} redirect to ${target} would repeat the form`);
        step = await this.fetch(target);
        continue;
      }
      const form = firstForm(step.body, step.url);
      if (!form) return { page: step };
      step = await this.submit(form, decide(form));
    }
    throw new Error(`no end after ${MAX_STEPS} steps:\n${this.trail.join('\n')}`);
  }

  /** Goes through login and consent, and returns the URL that the client is called back with. */
  async authorize(url, redirectUri, options) {
    const { redirect, page } = await this.travel(url, { until: redirectUri, ...options });
    if (!redirect) {
      throw new Error(`the trip ended on a page (${page.status} ${page.url}) instead of ${redirectUri}:\n${this.trail.join('\n')}\n${page.body}`);
    }
    return redirect;
  }

  /** Submits a form with the user's credentials in the fields that ask for them. */
  submit(form, decision) {
    const fields = new URLSearchParams(form.fields);
    if ('username' in form.fields) fields.set('username', this.user.username);
    if ('password' in form.fields) fields.set('password', this.user.password);
    if (decision?.name) fields.set(decision.name, decision.value);
    if (form.method === 'GET') return this.fetch(`${form.action}?${fields}`);
    return this.fetch(form.action, {
      method: form.method,
      headers: { 'content-type': 'application/x-www-form-urlencoded', origin: new URL(form.action).origin },
      body: fields.toString(),
    });
  }

  /** One request, without following redirects. */
  async fetch(url, init = {}) {
    const headers = { accept: 'text/html', ...init.headers };
    const cookie = this.#cookieHeader(new URL(url));
    if (cookie) headers.cookie = cookie;
    const response = await fetch(url, { ...init, headers, redirect: 'manual' });
    this.#keep(new URL(url), response.headers.getSetCookie());
    this.trail.push(`${init.method ?? 'GET'} ${response.status} ${url}`);
    return { status: response.status, headers: response.headers, url, body: await response.text() };
  }

  #cookieHeader({ hostname, pathname }) {
    return [...this.#cookies.values()]
      .filter((cookie) => cookie.hostname === hostname && pathMatches(pathname, cookie.path))
      .sort((a, b) => b.path.length - a.path.length)
      .map(({ name, value }) => `${name}=${value}`)
      .join('; ');
  }

  #keep({ hostname, pathname }, lines) {
    for (const line of lines) {
      const [pair, ...rest] = line.split(';').map((part) => part.trim());
      const name = pair.slice(0, pair.indexOf('='));
      const attributes = new Map(rest.map((part) => {
        const [key, value = ''] = part.split('=');
        return [key.toLowerCase(), value];
      }));
      const given = attributes.get('path');
      const path = given?.startsWith('/') ? given : pathname.slice(0, Math.max(1, pathname.lastIndexOf('/')));
      const key = JSON.stringify([hostname, path, name]);
      const gone = attributes.has('max-age')
        ? Number(attributes.get('max-age')) <= 0
        : attributes.has('expires') && new Date(attributes.get('expires')) <= new Date();
      if (gone) this.#cookies.delete(key);
      else this.#cookies.set(key, { hostname, path, name, value: pair.slice(name.length + 1) });
    }
  }
}

// RFC 6265 §5.1.4.
function pathMatches(pathname, path) {
  return pathname === path || pathname.startsWith(path.endsWith('/') ? path : `${path}/`);
}

function preferConsent({ buttons }) {
  return buttons.find(({ value }) => value === 'allow') ?? buttons[0];
}
