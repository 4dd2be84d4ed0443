/** One video in full: the player, its settings to use again, its family, and what can be done with it. */
import { useEffect } from "preact/hooks";
import { content, download } from "../api/videos";
import type { Video } from "../api/types";
import { moment, number, t, type Key } from "../i18n";
import { takeVideo, type Part } from "../make/draft";
import { Commands } from "../make/commands";
import { go, href } from "../router";
import { model } from "../state/models";
import { say } from "../state/saying";
import { Button, IconButton } from "../ui/button";
import { Dialog } from "../ui/dialog";
import { Icon } from "../ui/icons";
import { Player } from "../ui/player";
import { ProgressLine } from "../ui/progress";
import { GoOn } from "./going-on";
import { family, learnFamily, type Branch } from "./lineage";
import { remove } from "./listing";
import { Naming } from "./naming";

interface Setting {
  part: Part;
  label: Key;
  value: string;
}

/** A setting that was chosen, or the model's own where it was not; null where the model has none. */
function chosen(part: Part, label: Key, value: number | null, own: number | undefined): Setting | null {
  if (value !== null) return { part, label, value: number(value) };
  return own === undefined ? null : { part, label, value: t("models-own", { value: number(own) }) };
}

function settings(video: Video): Setting[] {
  const of = model(video.model);
  const own = video.fast ? of?.fast : of?.settings;
  const list: (Setting | null)[] = [
    { part: "prompt", label: "prompt", value: video.prompt },
    video.negative_prompt ? { part: "negative", label: "negative", value: video.negative_prompt } : null,
    { part: "model", label: "model", value: video.model },
    video.width ? { part: "size", label: "size", value: `${video.width} × ${video.height}` } : null,
    {
      part: "seconds",
      label: "seconds",
      value: video.fps
        ? t("facts.length", { s: number(Number(video.seconds)), frames: video.num_frames, fps: number(video.fps) })
        : number(Number(video.seconds)),
    },
    { part: "seed", label: "seed", value: String(video.seed) },
    chosen("steps", "steps", video.num_inference_steps, own?.steps),
    chosen("guidance", "guidance", video.guidance_scale, own?.guidance_scale),
    chosen("shift", "shift", video.flow_shift, own?.shift),
    video.input_reference || video.last_frame
      ? {
          part: "frames",
          label: "given-frames",
          value: [video.input_reference ? t("frame.first") : "", video.last_frame ? t("frame.last") : ""]
            .filter(Boolean)
            .join(", "),
        }
      : null,
  ];
  return list.filter((one) => one !== null);
}

function reuse(video: Video, parts: Part[] | null, label: Key = "settings"): void {
  takeVideo(video, parts);
  if (parts === null) {
    go("make");
    say(t("reused.all"));
  } else say(t("reused.one", { setting: t(label) }));
}

function Tree({ branch, here }: { branch: Branch; here: string }) {
  const { video, children } = branch;
  const inside = (
    <>
      {video.status === "completed" ? <img src={content(video.id, "thumbnail")} alt="" loading="lazy" /> : <Icon name="make" />}
      <span>{video.title || video.prompt}</span>
    </>
  );
  return (
    <li>
      {video.id === here ? (
        <span class="branch is-here" aria-current="true">
          {inside}
        </span>
      ) : (
        <a class="branch" href={href("library", [video.id])}>
          {inside}
        </a>
      )}
      {children.length ? (
        <ul>
          {children.map((child) => (
            <Tree key={child.video.id} branch={child} here={here} />
          ))}
        </ul>
      ) : null}
    </li>
  );
}

export function Detail({ video }: { video: Video }) {
  useEffect(() => {
    void learnFamily(video).catch(() => undefined);
  }, [video.id]);
  const tree = family(video);
  const close = () => go("library");
  return (
    <Dialog title={video.title || video.prompt} onClose={close} wide>
      <div class="detail">
        <div class="detail-show">
          {video.status === "completed" ? (
            <Player key={video.id} video={video} />
          ) : (
            <div class="detail-wait">
              {video.preview ? <img src={video.preview} alt="" /> : null}
              <ProgressLine video={video} />
              <Commands video={video} />
            </div>
          )}
          <div class="detail-tools">
            {video.status === "completed" ? (
              <>
                <a class="button plain" href={download(video.id)} download>
                  <Icon name="download" size={18} />
                  <span>{t("download")}</span>
                </a>
                <a class="button plain" href={href("compare", [], { a: video.id })}>
                  <Icon name="compare" size={18} />
                  <span>{t("compare.with")}</span>
                </a>
                <a class="button plain" href={href("compare", ["grid"], { from: video.id })}>
                  <Icon name="grid" size={18} />
                  <span>{t("grid.from")}</span>
                </a>
              </>
            ) : null}
            <Button
              icon="trash"
              kind="danger"
              onClick={() => {
                close();
                void remove(video);
              }}
            >
              {t("delete")}
            </Button>
          </div>
          {video.status === "completed" ? <GoOn video={video} /> : null}
        </div>
        <div class="detail-facts">
          <section aria-labelledby="settings-title">
            <header class="section-head">
              <h3 id="settings-title">{t("settings")}</h3>
              <Button icon="reuse" kind="main" onClick={() => reuse(video, null)}>
                {t("reuse.all")}
              </Button>
            </header>
            <dl class="settings">
              {settings(video).map((one) => (
                <div key={one.part}>
                  <dt>{t(one.label)}</dt>
                  <dd>
                    <span>{one.value}</span>
                    <IconButton
                      icon="reuse"
                      label={t("reuse.one", { setting: t(one.label) })}
                      onClick={() => reuse(video, [one.part], one.label)}
                    />
                  </dd>
                </div>
              ))}
            </dl>
            <p class="quiet">{t("made-at", { time: moment(video.created_at) })}</p>
            {video.notes.map((note) => (
              <p class="scene-note" key={note}>
                <Icon name="warn" size={16} />
                <span>{note}</span>
              </p>
            ))}
          </section>
          <Naming key={video.id} video={video} />
          {tree.children.length || video.remixed_from_video_id ? (
            <section aria-labelledby="family-title">
              <h3 id="family-title">{t("lineage")}</h3>
              <ul class="tree">
                <Tree branch={tree} here={video.id} />
              </ul>
            </section>
          ) : null}
        </div>
      </div>
    </Dialog>
  );
}
