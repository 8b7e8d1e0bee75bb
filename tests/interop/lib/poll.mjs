// Waiting for something to become true, never for time to pass.

const PAUSE_MILLISECONDS = 20;

/** Calls `probe` until it returns something truthy, and returns that; fails after `seconds`. */
export async function until(what, seconds, probe) {
  const deadline = performance.now() + seconds * 1000;
  let last;
  do {
    try {
      const found = await probe();
      if (found) return found;
      last = undefined;
    } catch (error) {
      last = error;
    }
    await new Promise((resolve) => setTimeout(resolve, PAUSE_MILLISECONDS));
  } while (performance.now() < deadline);
  throw new Error(`not within ${seconds} s: ${what}`, { cause: last });
}
