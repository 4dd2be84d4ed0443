/** A new video from a finished one: the same with other words, or what happens next. */
import { useState } from "preact/hooks";
import { ApiError } from "../api/http";
import { extendVideo, remixVideo } from "../api/videos";
import type { Video } from "../api/types";
import { t } from "../i18n";
import { model } from "../state/models";
import { say } from "../state/saying";
import { put } from "../state/videos";
import { Button } from "../ui/button";
import { Field, Segments } from "../ui/field";
import { go } from "../router";

type Way = "remix" | "extend";

export function GoOn({ video }: { video: Video }) {
  const of = model(video.model);
  const [way, setWay] = useState<Way>(video.kind === "extend" ? "extend" : "remix");
  const [prompt, setPrompt] = useState(video.prompt);
  const [wrong, setWrong] = useState<string | null>(null);
  const added = String(of ? of.usual_frames / of.fps : 2);
  const [busy, setBusy] = useState(false);
  const make = async () => {
    setBusy(true);
    setWrong(null);
    try {
      const next =
        way === "remix" ? await remixVideo(video.id, prompt) : await extendVideo(video.id, prompt, added);
      put(next);
      say(t("said.queued.one"), { action: { label: t("watch"), run: () => go("make") } });
    } catch (error) {
      setWrong(error instanceof ApiError ? error.message : String(error));
    } finally {
      setBusy(false);
    }
  };
  return (
    <section class="go-on" aria-label={t("go-on")}>
      {video.kind === "extend" ? (
        <h3>{t("extend")}</h3>
      ) : of?.extends ? (
        <Segments<Way>
          label={t("go-on")}
          value={way}
          choices={[
            { value: "remix", label: t("remix") },
            { value: "extend", label: t("extend") },
          ]}
          onValue={setWay}
        />
      ) : (
        <h3>{t("remix")}</h3>
      )}
      <Field label={t("prompt")} hint={t(way === "remix" ? "remix.hint" : "extend.hint")} error={wrong}>
        <textarea rows={2} value={prompt} onInput={(event) => setPrompt(event.currentTarget.value)} />
      </Field>
      <Button icon={way} disabled={busy || !prompt.trim()} onClick={() => void make()}>
        {t(way === "remix" ? "remix.make" : "extend.make")}
      </Button>
    </section>
  );
}
