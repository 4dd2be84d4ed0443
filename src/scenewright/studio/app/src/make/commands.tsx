/** Pause, resume, cancel, try again: what can be done with a video that is not finished. */
import { useState } from "preact/hooks";
import { tell, type Command } from "../api/videos";
import type { Video } from "../api/types";
import { t } from "../i18n";
import { complain, say } from "../state/saying";
import { put, unfinished } from "../state/videos";
import { Button, IconButton } from "../ui/button";
import type { IconName } from "../ui/icons";

export function Commands({ video, small = false }: { video: Video; small?: boolean }) {
  const [asked, setAsked] = useState<Command | null>(null);
  const give = async (command: Command) => {
    setAsked(command);
    try {
      put(await tell(video.id, command));
      if (command === "cancel") {
        const again = () => void tell(video.id, "retry").then(put, complain);
        say(t("said.cancelled", { prompt: video.title || video.prompt }), { action: { label: t("undo"), run: again } });
      }
    } catch (error) {
      complain(error);
    } finally {
      setAsked(null);
    }
  };
  const offered: [Command, IconName][] = [];
  if (unfinished(video)) {
    offered.push(video.paused ? ["resume", "play"] : ["pause", "pause"]);
    if (video.cancellable) offered.push(["cancel", "close"]);
  } else if (video.status === "failed" || video.status === "cancelled") offered.push(["retry", "reuse"]);
  return (
    <>
      {offered.map(([command, icon]) =>
        small ? (
          <IconButton
            key={command}
            icon={icon}
            label={t(`command.${command}` as "command.pause")}
            disabled={asked !== null}
            onClick={() => void give(command)}
          />
        ) : (
          <Button key={command} icon={icon} disabled={asked !== null} onClick={() => void give(command)}>
            {t(`command.${command}` as "command.pause")}
          </Button>
        ),
      )}
    </>
  );
}
