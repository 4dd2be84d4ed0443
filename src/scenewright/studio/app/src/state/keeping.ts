/** What this browser remembers: a few choices and the draft of the form. Never the state of a video. */
const PREFIX = "scenewright.";

export function kept(name: string): string | null {
  try {
    return localStorage.getItem(PREFIX + name);
  } catch {
    return null;
  }
}

export function keep(name: string, value: string | null): void {
  try {
    if (value === null) localStorage.removeItem(PREFIX + name);
    else localStorage.setItem(PREFIX + name, value);
  } catch {
    // Storage that is full or forbidden costs the memory, nothing else.
  }
}
