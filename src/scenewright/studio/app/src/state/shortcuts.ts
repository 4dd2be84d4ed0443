/** Keys that work everywhere outside of text, unless the user has turned them off. */
import { signal } from "@preact/signals";
import { keep, kept } from "./keeping";

export interface Shortcut {
  keys: string;
  /** The key of the string that says what it does. */
  does: string;
  run: (event: KeyboardEvent) => void;
}

export const singleKeys = signal(kept("single-keys") !== "off");
/** By key, the one that holds last. */
const table = new Map<string, Shortcut[]>();

export function useSingleKeys(on: boolean): void {
  singleKeys.value = on;
  keep("single-keys", on ? null : "off");
}

/** Adds shortcuts, in front of others of the same keys; the function given back takes them away. */
export function register(shortcuts: Shortcut[]): () => void {
  for (const shortcut of shortcuts) table.set(shortcut.keys, [...(table.get(shortcut.keys) ?? []), shortcut]);
  return () => {
    for (const shortcut of shortcuts)
      table.set(shortcut.keys, (table.get(shortcut.keys) ?? []).filter((other) => other !== shortcut));
  };
}

/** Whether the key means something to what has the focus: letters to a text, arrows to a slider. */
function meant(key: string, target: EventTarget | null): boolean {
  if (!(target instanceof HTMLElement)) return false;
  if (target.matches("textarea, select, input:not([type=radio], [type=checkbox], [type=range])")) return true;
  if (key.startsWith("Arrow")) return target.matches("input, video");
  return key === " " && target.matches("button, a, input, summary, video");
}

export function listen(): void {
  window.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented) return;
    if (!singleKeys.peek() && event.key !== "?") return;
    if (meant(event.key, event.target) || document.querySelector("dialog[open]")) return;
    const name = event.key === " " ? "Space" : event.key;
    const shortcut = table.get(name)?.at(-1);
    if (!shortcut) return;
    event.preventDefault();
    shortcut.run(event);
  });
}
