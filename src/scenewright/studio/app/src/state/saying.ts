/** What is said to the user in passing: a short line on the screen, and lines for screen readers. */
import { signal } from "@preact/signals";

export interface Toast {
  id: number;
  text: string;
  bad: boolean;
  action: { label: string; run: () => void } | null;
}

export const toasts = signal<Toast[]>([]);
export const announcement = signal("");
let next = 0;

export function dismiss(id: number): void {
  toasts.value = toasts.value.filter((toast) => toast.id !== id);
}

/** Shows a line, and returns its id. One with something to do stays until it is done or dismissed, or half a
 * minute has passed. */
export function say(text: string, options: { bad?: boolean; action?: Toast["action"] } = {}): number {
  const id = next++;
  const toast = { id, text, bad: options.bad ?? false, action: options.action ?? null };
  toasts.value = [...toasts.value.slice(-2), toast];
  window.setTimeout(() => dismiss(id), toast.action || toast.bad ? 30000 : 6000);
  return id;
}

/** Says a line to screen readers, politely. */
export function announce(text: string): void {
  announcement.value = announcement.peek() === text ? `${text}\u00a0` : text;
}

/** Shows why something did not work. */
export function complain(error: unknown): void {
  say(error instanceof Error ? error.message : String(error), { bad: true });
}
