/** Progress for screen readers: the start, half of it, the end. Never every step. */
import { t } from "../i18n";
import { announce } from "./saying";
import { onChange } from "./videos";

export function announceProgress(): void {
  onChange((now, before) => {
    if (!before) return;
    const prompt = now.title || now.prompt;
    if (now.status !== before.status) {
      if (now.status === "in_progress") announce(t("said.started", { prompt }));
      if (now.status === "completed") announce(t("said.completed", { prompt }));
      if (now.status === "failed") announce(t("said.failed", { prompt, reason: now.error?.message ?? "" }));
      if (now.status === "cancelled") announce(t("said.cancelled", { prompt }));
    } else if (now.status === "in_progress" && before.progress < 50 && now.progress >= 50) {
      announce(t("said.half", { prompt }));
    }
    if (now.paused && !before.paused) announce(t("said.paused", { prompt }));
  });
}
