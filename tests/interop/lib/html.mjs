// Just enough HTML to read and write the pages of these tests: forms and escaping.

const ENTITIES = { amp: '&', lt: '<', gt: '>', quot: '"', apos: "'" };

export function escape(text) {
  return String(text).replace(/[&<>"']/g, (c) => `&#${c.charCodeAt(0)};`);
}

function unescape(text) {
  return text.replace(/&(?:#(\d+)|#x([0-9a-f]+)|(\w+));/gi, (whole, decimal, hex, name) => {
    if (decimal) return String.fromCodePoint(Number(decimal));
    if (hex) return String.fromCodePoint(Number.parseInt(hex, 16));
    return ENTITIES[name] ?? whole;
  });
}

function attributes(tag) {
  const found = {};
  for (const [, name, , double, single, bare] of tag.matchAll(
    /\s([\w:-]+)(\s*=\s*(?:"([^"]*)"|'([^']*)'|([^\s"'>]+)))?/g,
  )) {
    found[name.toLowerCase()] = unescape(double ?? single ?? bare ?? '');
  }
  return found;
}

/** The first form of a page: where it goes, what it carries, and its submit buttons. */
export function firstForm(html, baseUrl) {
  const form = /<form\b([^>]*)>([\s\S]*?)<\/form>/i.exec(html);
  if (!form) return undefined;
  const { action = '', method = 'get' } = attributes(form[1]);
  const fields = {};
  const buttons = [];
  for (const [, tag, rest] of form[2].matchAll(/<(input|button|select|textarea)\b([^>]*)>/gi)) {
    const { name, value = '', type = tag.toLowerCase() === 'button' ? 'submit' : 'text', ...others } = attributes(rest);
    if (type === 'submit') buttons.push({ name, value });
    else if (name && !((type === 'checkbox' || type === 'radio') && !('checked' in others))) fields[name] = value;
  }
  return { action: new URL(action || baseUrl, baseUrl).href, method: method.toUpperCase(), fields, buttons };
}
