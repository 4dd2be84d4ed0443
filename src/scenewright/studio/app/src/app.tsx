/** The frame around the pages. */
import { signal } from "@preact/signals";
import type { JSX } from "preact";
import { useEffect, useRef } from "preact/hooks";
import { link } from "./api/events";
import { ComparePage } from "./compare/page";
import { language, speak, t } from "./i18n";
import { Importing } from "./library/importing";
import { LibraryPage } from "./library/page";
import { LoginPage, loginNeeded, signOut, signedIn } from "./login/page";
import { MachinePage } from "./machine/page";
import { MakePage } from "./make/page";
import { go, href, page, PAGES, type PageName } from "./router";
import { register } from "./state/shortcuts";
import { queue } from "./state/videos";
import { StudiesPage } from "./studies/page";
import { Button, IconButton } from "./ui/button";
import { dialogs } from "./ui/dialog";
import { Icon } from "./ui/icons";
import { ShortcutSheet } from "./ui/shortcut-sheet";
import { nextTheme, theme } from "./ui/theme";
import { Toasts } from "./ui/toasts";

const sheet = signal(false);
const CONTENT: Record<PageName, () => JSX.Element> = {
  make: MakePage,
  library: LibraryPage,
  compare: ComparePage,
  studies: StudiesPage,
  machine: MachinePage,
};

function Navigation() {
  const busy = queue.value.length;
  return (
    <nav class="pages" aria-label={t("pages")}>
      {PAGES.map((name) => (
        <a key={name} href={href(name)} aria-current={page.value === name ? "page" : undefined}>
          <Icon name={name} />
          <span>{t(`page.${name}.short`)}</span>
          {name === "make" && busy ? (
            <span class="count">
              <span aria-hidden="true">{busy}</span>
              <span class="sr-only">{t("queue.in", { n: busy })}</span>
            </span>
          ) : null}
        </a>
      ))}
    </nav>
  );
}

function Tools() {
  const other = language.value === "en" ? "de" : "en";
  return (
    <div class="tools">
      <button
        type="button"
        class="language"
        lang={other}
        aria-label={other === "de" ? "Deutsch" : "English"}
        onClick={() => speak(other)}
      >
        {other.toUpperCase()}
      </button>
      <IconButton
        icon={theme.value === "auto" ? "auto" : theme.value === "light" ? "sun" : "moon"}
        label={t(`theme.${theme.value}`)}
        onClick={nextTheme}
      />
      <IconButton icon="keyboard" label={t("keys")} onClick={() => (sheet.value = true)} />
      {signedIn.value ? (
        <Button kind="quiet" onClick={() => void signOut()}>
          {t("sign-out")}
        </Button>
      ) : null}
    </div>
  );
}

function LinkState() {
  if (link.value !== "offline") return null;
  return (
    <p class="link-state" role="status">
      <Icon name="warn" size={16} />
      {t("link.offline")}
    </p>
  );
}

/** Focuses what is there as soon as its page is, within so many frames. */
function focusSoon(id: string, frames = 120): void {
  requestAnimationFrame(() => {
    const found = document.getElementById(id);
    if (found) found.focus();
    else if (frames > 0) focusSoon(id, frames - 1);
  });
}

export function App() {
  const main = useRef<HTMLElement>(null);
  useEffect(
    () =>
      register([
        ...PAGES.map((name, at) => ({ keys: String(at + 1), does: `page.${name}`, run: () => go(name) })),
        { keys: "?", does: "keys.sheet", run: () => (sheet.value = true) },
        { keys: "t", does: "theme", run: nextTheme },
        {
          keys: "n",
          does: "keys.new",
          run: () => {
            go("make");
            focusSoon("prompt");
          },
        },
        {
          keys: "/",
          does: "keys.search",
          run: () => {
            go("library");
            focusSoon("search");
          },
        },
      ]),
    [],
  );
  const making = queue.value.find((video) => video.status === "in_progress");
  const share = making ? `${making.progress} % · ` : "";
  useEffect(() => {
    document.documentElement.lang = language.value;
    document.title = `${share}${t(`page.${page.value}`)} – Scenewright`;
  }, [language.value, page.value, share]);
  const Content = CONTENT[page.value];
  return (
    <>
      <a class="skip" href="#content" onClick={(event) => {
        event.preventDefault();
        main.current?.focus();
      }}>
        {t("skip")}
      </a>
      <header class="top">
        <a class="brand" href={href("make")}>
          <img src="./icon.svg" alt="" width="26" height="26" />
          <span>Scenewright</span>
        </a>
        {loginNeeded.value ? null : <Navigation />}
        <Tools />
      </header>
      <LinkState />
      <main id="content" ref={main} tabIndex={-1}>
        {loginNeeded.value ? <LoginPage /> : <Content />}
      </main>
      {dialogs.value.length ? null : <Toasts />}
      {loginNeeded.value ? null : <Importing />}
      {sheet.value ? <ShortcutSheet onClose={() => (sheet.value = false)} /> : null}
    </>
  );
}
