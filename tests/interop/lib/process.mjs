// Child processes that end with the test that started them, however that test ends.

import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';

const STOP_SECONDS = 10;
const running = new Set();

process.on('exit', () => {
  for (const child of running) child.kill('SIGTERM');
});
for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, () => process.exit(1));

export class Child {
  #process;
  #ended;
  #waiting = new Set();
  /** Everything it printed so far, both streams, for the message of a failure. */
  output = '';

  constructor(command, args, options = {}) {
    this.name = command.split('/').pop();
    this.#process = spawn(command, args, { stdio: ['ignore', 'pipe', 'pipe'], ...options });
    running.add(this.#process);
    this.#ended = new Promise((resolve) => {
      this.#process.once('error', (error) => resolve({ code: null, error }));
      this.#process.once('close', (code, signal) => resolve({ code, signal }));
    }).finally(() => running.delete(this.#process));
    for (const stream of ['stdout', 'stderr']) {
      createInterface({ input: this.#process[stream] }).on('line', (line) => {
        this.output += `${line}\n`;
        if (stream === 'stdout') for (const take of this.#waiting) take(line);
      });
    }
  }

  /** The first line on standard output, now or later, for which `match` returns something. */
  line(match, seconds) {
    let take;
    let timer;
    const found = new Promise((resolve, reject) => {
      take = (line) => {
        const value = match(line);
        if (value) resolve(value);
      };
      this.#waiting.add(take);
      timer = setTimeout(() => reject(new Error(`${this.name} did not say it within ${seconds} s:\n${this.output}`)), seconds * 1000);
      this.#ended.then(({ code, error }) => reject(new Error(`${this.name} ended first (${error?.message ?? code}):\n${this.output}`)));
      this.output.split('\n').forEach(take);
    });
    return found.finally(() => {
      clearTimeout(timer);
      this.#waiting.delete(take);
    });
  }

  /** Waits for the end; returns the exit code. */
  async exit() {
    const { code, error } = await this.#ended;
    if (error) throw error;
    return code;
  }

  /** Asks it to stop, insists after a while, and returns once it is gone. */
  async stop() {
    if (!running.has(this.#process)) return;
    this.#process.kill('SIGTERM');
    const insist = setTimeout(() => this.#process.kill('SIGKILL'), STOP_SECONDS * 1000);
    await this.#ended;
    clearTimeout(insist);
  }
}

/** Whether a process with this id exists. */
export function isAlive(pid) {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    if (error.code === 'ESRCH') return false;
    throw error;
  }
}
