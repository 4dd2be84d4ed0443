/** Requests to the server, and its one clear line when something is wrong. */
import { t } from "../i18n";

/** `status` 0: the server did not answer. `param`: the field that the line is about. */
export class ApiError extends Error {
  constructor(
    message: string,
    readonly status: number,
    readonly param: string | null = null,
    readonly code: string | null = null,
  ) {
    super(message);
  }
}

/** What the session of this page is told with: `onUnknown` is called when the server does not know who asks,
 * `token` goes with everything that changes something. */
export const session = { onUnknown: (): void => {}, token: null as string | null };

export async function call<T>(method: string, path: string, body?: object | FormData): Promise<T> {
  const form = body instanceof FormData;
  let response: Response;
  try {
    response = await fetch(path, {
      method,
      credentials: "same-origin",
      // What is deleted as the page is left, is deleted.
      keepalive: method === "DELETE",
      headers: {
        ...(body && !form ? { "Content-Type": "application/json" } : {}),
        ...(session.token ? { "X-CSRF-Token": session.token } : {}),
      },
      body: body === undefined ? null : form ? body : JSON.stringify(body),
    });
  } catch {
    throw new ApiError(t("error.no-answer"), 0);
  }
  const text = await response.text();
  let answer: unknown = null;
  try {
    answer = text ? JSON.parse(text) : null;
  } catch {
    answer = null;
  }
  if (response.ok) return answer as T;
  const error = (answer as { error?: { message?: string; param?: string | null; code?: string | null } } | null)?.error;
  if (response.status === 401) session.onUnknown();
  throw new ApiError(
    error?.message ?? t("error.status", { status: response.status }),
    response.status,
    error?.param ?? null,
    error?.code ?? null,
  );
}

type Value = string | number | boolean | null | undefined | readonly string[];

export function query(values: Record<string, Value>): string {
  const search = new URLSearchParams();
  for (const [name, value] of Object.entries(values)) {
    if (value === null || value === undefined || value === "") continue;
    for (const one of Array.isArray(value) ? value : [value]) search.append(name, String(one));
  }
  const text = search.toString();
  return text ? `?${text}` : "";
}
