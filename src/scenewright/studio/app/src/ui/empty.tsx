/** What stands where nothing is yet, and what to do about it. */
import type { ComponentChildren } from "preact";
import { Icon, type IconName } from "./icons";

export function Empty({ icon, title, children }: { icon: IconName; title: string; children: ComponentChildren }) {
  return (
    <div class="empty">
      <span class="empty-icon">
        <Icon name={icon} size={28} />
      </span>
      <h2>{title}</h2>
      {children}
    </div>
  );
}
