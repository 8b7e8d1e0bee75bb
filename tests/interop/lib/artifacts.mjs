// Where the tests leave what a person may want to look at: below the build folder, never in git.

import { mkdirSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { join } from 'node:path';

export const TARGET = process.env.CARGO_TARGET_DIR ?? fileURLToPath(new URL('../../../target', import.meta.url));

/** A folder for what one test leaves behind. */
export function artifacts(name) {
  const folder = join(TARGET, 'interop', name);
  mkdirSync(folder, { recursive: true });
  return folder;
}
