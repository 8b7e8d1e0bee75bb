// The admin API of the broker under test.

import assert from 'node:assert/strict';

export class Admin {
  #url;
  #headers;

  constructor({ admin_url: url, admin_token: token }) {
    this.#url = `${url}/admin/v1`;
    this.#headers = { authorization: `Bearer ${token}` };
  }

  get(path) {
    return this.#ask(path, {});
  }

  /** Makes something, or has something done. */
  post(path, body) {
    return this.#ask(path, {
      method: 'POST',
      ...(body && { body: JSON.stringify(body), headers: { 'content-type': 'application/json' } }),
    });
  }

  /** The rows of the audit trail that the request with this id left, newest first. */
  async audit(requestId) {
    const { items } = await this.get('audit?limit=100');
    return items.filter((row) => row.request_id === requestId);
  }

  async #ask(path, { headers, ...init }) {
    const response = await fetch(`${this.#url}/${path}`, { ...init, headers: { ...this.#headers, ...headers } });
    const body = await response.text();
    assert.ok(response.ok, `${path}: ${response.status} ${body}`);
    return JSON.parse(body);
  }
}
