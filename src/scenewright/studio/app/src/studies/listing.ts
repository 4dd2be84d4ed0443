/** The studies that one has made or may answer. */
import { computed, effect, signal } from "@preact/signals";
import { deleteStudy, getStudy, listStudies, updateStudy } from "../api/studies";
import type { Study } from "../api/study-types";
import { t } from "../i18n";
import { announce, complain, say, toasts } from "../state/saying";

const PAGES = 10;
const known = signal<Map<string, Study>>(new Map());
/** Those whose deletion can still be taken back. */
const leaving = signal<Set<string>>(new Set());
export const loaded = signal(false);
export const failed = signal<string | null>(null);

export const studies = computed(() =>
  [...known.value.values()]
    .filter((study) => !leaving.value.has(study.id))
    .sort((a, b) => Number(a.closed_at !== null) - Number(b.closed_at !== null) || b.created_at - a.created_at),
);

/** The name of a study whose deletion was asked for, null of any other. */
export function leavingName(id: string): string | null {
  return leaving.value.has(id) ? (known.value.get(id)?.name ?? "") : null;
}

export function study(id: string): Study | null {
  return leaving.value.has(id) ? null : (known.value.get(id) ?? null);
}

export function take(one: Study): Study {
  known.value = new Map(known.peek()).set(one.id, one);
  return one;
}

export async function loadStudies(): Promise<void> {
  failed.value = null;
  try {
    const found: Study[] = [];
    let after: string | null = null;
    for (let page = 0; page < PAGES; page += 1) {
      const { data, has_more } = await listStudies(after);
      found.push(...data);
      after = data.at(-1)?.id ?? null;
      if (!has_more || !after) break;
    }
    known.value = new Map(found.map((one) => [one.id, one]));
    loaded.value = true;
  } catch (error) {
    failed.value = error instanceof Error ? error.message : String(error);
  }
}

/** Fetches one study anew. */
export async function refreshStudy(id: string): Promise<void> {
  take(await getStudy(id));
}

export async function changeStudy(id: string, changes: Parameters<typeof updateStudy>[1], said: string): Promise<void> {
  try {
    take(await updateStudy(id, changes));
    announce(said);
  } catch (error) {
    complain(error);
  }
}

/** The server cannot bring a study back, so it is told when the line that offers to is gone, or the page. */
export function removeStudy(one: Study): void {
  leaving.value = new Set(leaving.peek()).add(one.id);
  let settled = false;
  const stay = () => {
    settled = true;
    const rest = new Set(leaving.peek());
    rest.delete(one.id);
    leaving.value = rest;
  };
  const toast = say(t("deleted", { prompt: one.name }), {
    action: {
      label: t("undo"),
      run: () => {
        stay();
        announce(t("restored"));
      },
    },
  });
  const leave = () => {
    if (settled) return;
    settled = true;
    deleteStudy(one.id).then(
      () => {
        const rest = new Map(known.peek());
        rest.delete(one.id);
        known.value = rest;
      },
      (error: unknown) => {
        stay();
        complain(error);
      },
    );
  };
  window.addEventListener("pagehide", leave, { once: true });
  const stop = effect(() => {
    if (toasts.value.some((other) => other.id === toast)) return;
    // The action runs before its line goes.
    queueMicrotask(() => {
      stop();
      window.removeEventListener("pagehide", leave);
      leave();
    });
  });
}
