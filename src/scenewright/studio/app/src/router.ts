/** Where one is: the part of the address behind #, like #/compare?a=…&b=…. */
import { computed, signal } from "@preact/signals";

export const PAGES = ["make", "library", "compare", "studies", "machine"] as const;
export type PageName = (typeof PAGES)[number];

export interface Place {
  page: PageName;
  rest: string[];
  values: URLSearchParams;
}

function read(): Place {
  const [path = "", search = ""] = location.hash.replace(/^#\/?/, "").split("?");
  const [first = "", ...rest] = path.split("/").map(decodeURIComponent);
  const page = PAGES.find((name) => name === first) ?? "make";
  return { page, rest: rest.filter(Boolean), values: new URLSearchParams(search) };
}

export const place = signal<Place>(read());
export const page = computed(() => place.value.page);

window.addEventListener("hashchange", () => {
  place.value = read();
});

export function href(to: PageName, rest: string[] = [], values: Record<string, string> = {}): string {
  const path = [to, ...rest].map(encodeURIComponent).join("/");
  const search = new URLSearchParams(values).toString();
  return `#/${path}${search ? `?${search}` : ""}`;
}

export function go(to: PageName, rest: string[] = [], values: Record<string, string> = {}): void {
  location.hash = href(to, rest, values);
}

/** Changes the address without a new entry in the history. */
export function replace(to: PageName, rest: string[], values: Record<string, string>): void {
  history.replaceState(null, "", href(to, rest, values));
  place.value = read();
}
