/** Sign in, where the server asks for it. */
import { signal } from "@preact/signals";
import { useState } from "preact/hooks";
import { ApiError, call, session } from "../api/http";
import { t } from "../i18n";
import { complain } from "../state/saying";
import { Button } from "../ui/button";
import { Field, Wrong } from "../ui/field";

export const loginNeeded = signal(false);
/** Whether this browser has a session of its own, which can be ended. */
export const signedIn = signal(false);
/** Whether the server has no accounts, so that several people may be one to it; null until that is known. */
export const withoutAccounts = signal<boolean | null>(null);

interface Account {
  logged_in_by: "open" | "key" | "session";
  csrf_token: string | null;
}

/** Learns whether the server asks for a session, and what to prove it with. */
export async function whoAmI(): Promise<void> {
  try {
    const account = await call<Account>("GET", "/v1/account");
    session.token = account.csrf_token;
    signedIn.value = account.logged_in_by === "session";
    withoutAccounts.value = account.logged_in_by === "open";
    loginNeeded.value = false;
  } catch (error) {
    if (error instanceof ApiError && error.status === 401) loginNeeded.value = true;
  }
}

export async function signOut(): Promise<void> {
  try {
    await call("DELETE", "/v1/sessions/current");
    location.reload();
  } catch (error) {
    complain(error);
  }
}

export function LoginPage() {
  const [name, setName] = useState("");
  const [password, setPassword] = useState("");
  const [wrong, setWrong] = useState<string | null>(null);
  const enter = async () => {
    setWrong(null);
    try {
      await call("POST", "/v1/sessions", { name, password });
      location.reload();
    } catch (error) {
      setWrong(error instanceof ApiError ? error.message : String(error));
    }
  };
  return (
    <form
      class="login"
      onSubmit={(event) => {
        event.preventDefault();
        void enter();
      }}
    >
      <h1>{t("sign-in")}</h1>
      <Field label={t("sign-in.name")}>
        <input type="text" autocomplete="username" required value={name} onInput={(event) => setName(event.currentTarget.value)} />
      </Field>
      <Field label={t("sign-in.password")}>
        <input
          type="password"
          autocomplete="current-password"
          required
          value={password}
          onInput={(event) => setPassword(event.currentTarget.value)}
        />
      </Field>
      <Wrong text={wrong} />
      <Button kind="main" type="submit">
        {t("sign-in")}
      </Button>
    </form>
  );
}
