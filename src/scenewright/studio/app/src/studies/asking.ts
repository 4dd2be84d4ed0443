/** Asking the server for what a page shows, again where that failed. */
import { useEffect, useState } from "preact/hooks";

/** Calls `ask` now and whenever one of `on` changes; gives why it failed, and a way to try again. */
export function useAsked(ask: () => Promise<unknown>, on: unknown[]): [string | null, () => void] {
  const [failed, setFailed] = useState<string | null>(null);
  const [again, setAgain] = useState(0);
  useEffect(() => {
    let stale = false;
    setFailed(null);
    ask().catch((error: unknown) => {
      if (!stale) setFailed(error instanceof Error ? error.message : String(error));
    });
    return () => {
      stale = true;
    };
  }, [...on, again]);
  return [failed, () => setAgain((now) => now + 1)];
}
