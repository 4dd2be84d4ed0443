/** A file dropped anywhere, or chosen: its settings come back into the form, and it may join the library. */
import { signal } from "@preact/signals";
import { useEffect, useRef, useState } from "preact/hooks";
import { ApiError } from "../api/http";
import { importFile, type Imported } from "../api/videos";
import { t, type Key } from "../i18n";
import { take } from "../make/draft";
import { go } from "../router";
import { complain, say } from "../state/saying";
import { put } from "../state/videos";
import { Button } from "../ui/button";
import { Dialog } from "../ui/dialog";
import { Icon } from "../ui/icons";
import { findSoon } from "./listing";

const imported = signal<{ file: File; what: Imported } | null>(null);
const reading = signal(false);

export async function read(file: File): Promise<void> {
  reading.value = true;
  try {
    imported.value = { file, what: await importFile(file, false) };
  } catch (error) {
    complain(error instanceof ApiError ? new Error(`${file.name}: ${error.message}`) : error);
  } finally {
    reading.value = false;
  }
}

const NAMES: [string, Key][] = [
  ["prompt", "prompt"],
  ["negative_prompt", "negative"],
  ["model", "model"],
  ["width", "width"],
  ["height", "height"],
  ["num_frames", "frames"],
  ["seed", "seed"],
  ["num_inference_steps", "steps"],
  ["guidance_scale", "guidance"],
];

function Found({ file, what }: { file: File; what: Imported }) {
  const close = () => (imported.value = null);
  const rows = NAMES.filter(([name]) => what.settings[name] !== undefined && what.settings[name] !== null && what.settings[name] !== "");
  return (
    <Dialog title={t("import.found", { file: file.name })} onClose={close}>
      <dl class="settings">
        {rows.map(([name, label]) => (
          <div key={name}>
            <dt>{t(label)}</dt>
            <dd>{String(what.settings[name])}</dd>
          </div>
        ))}
      </dl>
      {what.model_known ? null : (
        <p class="scene-note">
          <Icon name="warn" size={16} />
          <span>{t("import.unknown-model")}</span>
        </p>
      )}
      {what.missing.length ? (
        <p class="scene-note">
          <Icon name="warn" size={16} />
          <span>{t("import.missing")}</span>
        </p>
      ) : null}
      <div class="dialog-tools">
        <Button
          icon="library"
          onClick={() =>
            void importFile(file, true).then((kept) => {
              if (kept.video) put(kept.video);
              findSoon();
              close();
              say(t("import.kept", { file: file.name }));
            }, complain)
          }
        >
          {t("import.keep")}
        </Button>
        <Button
          kind="main"
          icon="reuse"
          onClick={() => {
            take(what.settings);
            close();
            go("make");
            say(t("import.used", { file: file.name }));
          }}
        >
          {t("import.use")}
        </Button>
      </div>
    </Dialog>
  );
}

function carriesFile(event: DragEvent): boolean {
  return event.dataTransfer?.types.includes("Files") ?? false;
}

/** Listens for files over the whole window, and shows what was found in one. */
export function Importing() {
  const [over, setOver] = useState(false);
  useEffect(() => {
    let depth = 0;
    const enter = (event: DragEvent) => {
      if (!carriesFile(event)) return;
      depth += 1;
      setOver(true);
    };
    const leave = () => {
      depth = Math.max(0, depth - 1);
      if (depth === 0) setOver(false);
    };
    const overIt = (event: DragEvent) => carriesFile(event) && event.preventDefault();
    const dropped = (event: DragEvent) => {
      depth = 0;
      setOver(false);
      const file = event.dataTransfer?.files[0];
      if (!file || event.defaultPrevented) return;
      event.preventDefault();
      void read(file);
    };
    const listeners: [string, (event: DragEvent) => unknown][] = [
      ["dragenter", enter],
      ["dragleave", leave],
      ["dragover", overIt],
      ["drop", dropped],
    ];
    for (const [name, listener] of listeners) window.addEventListener(name, listener as EventListener);
    return () => {
      for (const [name, listener] of listeners) window.removeEventListener(name, listener as EventListener);
    };
  }, []);
  return (
    <>
      {over ? (
        <div class="drop-veil" aria-hidden="true">
          <Icon name="upload" size={28} />
          <p>{t("import.drop")}</p>
        </div>
      ) : null}
      {imported.value ? <Found file={imported.value.file} what={imported.value.what} /> : null}
    </>
  );
}

export function ImportButton() {
  const input = useRef<HTMLInputElement>(null);
  return (
    <>
      <input
        ref={input}
        class="sr-only"
        type="file"
        accept="video/mp4,video/webm,.mp4,.webm,.gif,.webp"
        tabIndex={-1}
        aria-label={t("import")}
        onChange={(event) => {
          const file = event.currentTarget.files?.[0];
          event.currentTarget.value = "";
          if (file) void read(file);
        }}
      />
      <Button icon="upload" aria-busy={reading.value} onClick={() => input.current?.click()}>
        {t("import")}
      </Button>
    </>
  );
}
