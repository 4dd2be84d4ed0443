/** The first and the last frame: a picture each, dropped or chosen. */
import { useEffect, useId, useState } from "preact/hooks";
import { t } from "../i18n";
import { IconButton } from "../ui/button";
import { Wrong } from "../ui/field";
import { Icon } from "../ui/icons";
import { chosen, objection, objections, pictures, type Picture, type Which } from "./draft";

function FramePicker(props: { label: string; file: Picture | null; error: string | null; onFile: (file: File | null) => void }) {
  const id = useId();
  const [over, setOver] = useState(false);
  const [url, setUrl] = useState<string | null>(null);
  useEffect(() => {
    if (!(props.file instanceof File)) return setUrl(null);
    const made = URL.createObjectURL(props.file);
    setUrl(made);
    return () => URL.revokeObjectURL(made);
  }, [props.file]);
  return (
    <div
      class={`frame-picker ${over ? "is-over" : ""} ${props.error ? "is-bad" : ""}`}
      onDragOver={(event) => {
        event.preventDefault();
        event.stopPropagation();
        setOver(true);
      }}
      onDragLeave={() => setOver(false)}
      onDrop={(event) => {
        event.preventDefault();
        event.stopPropagation();
        setOver(false);
        const file = event.dataTransfer?.files[0];
        if (file) props.onFile(file);
      }}
    >
      <input
        id={id}
        class="sr-only"
        type="file"
        accept="image/png,image/jpeg,image/webp"
        aria-describedby={props.error ? `${id}-error` : undefined}
        onChange={(event) => {
          const file = event.currentTarget.files?.[0];
          if (file) props.onFile(file);
          event.currentTarget.value = "";
        }}
      />
      <label for={id}>
        {url ? <img src={url} alt="" /> : <Icon name="picture" />}
        <span>
          <strong>{props.label}</strong>{" "}
          <span class="hint">{props.file instanceof File ? props.file.name : t(props.file ? "frame.kept" : "frame.choose")}</span>
        </span>
      </label>
      {props.file ? (
        <IconButton icon="close" label={t("frame.remove", { frame: props.label })} onClick={() => props.onFile(null)} />
      ) : null}
      <Wrong id={`${id}-error`} text={props.error} />
    </div>
  );
}

export function Frames() {
  if (chosen.value && !chosen.value.given_frames) return null;
  const put = (which: Which, file: File | null) => {
    pictures.value = { ...pictures.peek(), [which]: file };
    const { input_reference: _first, last_frame: _last, ...rest } = objections.peek();
    objections.value = rest;
  };
  return (
    <div class="frames">
      <FramePicker
        label={t("frame.first")}
        file={pictures.value.first}
        error={objection("input_reference")}
        onFile={(file) => put("first", file)}
      />
      <FramePicker
        label={t("frame.last")}
        file={pictures.value.last}
        error={objection("last_frame")}
        onFile={(file) => put("last", file)}
      />
    </div>
  );
}
