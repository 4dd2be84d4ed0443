/** The short lines at the lower edge, and the place that screen readers listen to. */
import { t } from "../i18n";
import { announcement, dismiss, toasts } from "../state/saying";
import { IconButton } from "./button";

export function Toasts() {
  return (
    <>
      <section class="toasts" aria-label={t("toasts")}>
        {toasts.value.map((toast) => (
          <div key={toast.id} class={`toast ${toast.bad ? "is-bad" : ""}`} role={toast.bad ? "alert" : "status"}>
            <span>{toast.text}</span>
            {toast.action ? (
              <button
                type="button"
                class="toast-action"
                onClick={() => {
                  toast.action?.run();
                  dismiss(toast.id);
                }}
              >
                {toast.action.label}
              </button>
            ) : null}
            <IconButton icon="close" label={t("dismiss")} onClick={() => dismiss(toast.id)} />
          </div>
        ))}
      </section>
      <div class="sr-only" role="status" aria-live="polite" data-testid="announcer">
        {announcement.value}
      </div>
    </>
  );
}
