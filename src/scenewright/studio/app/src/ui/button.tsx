/** Buttons: the one main thing, ordinary ones, and bare icons with a name. */
import type { ComponentChildren, ButtonHTMLAttributes } from "preact";
import { Icon, type IconName } from "./icons";

interface ButtonProps extends Omit<ButtonHTMLAttributes, "icon"> {
  icon?: IconName;
  kind?: "main" | "plain" | "quiet" | "danger";
  children: ComponentChildren;
}

export function Button({ icon, kind = "plain", children, ...rest }: ButtonProps) {
  return (
    <button type="button" class={`button ${kind}`} {...rest}>
      {icon ? <Icon name={icon} size={18} /> : null}
      <span>{children}</span>
    </button>
  );
}

interface IconButtonProps extends Omit<ButtonHTMLAttributes, "icon" | "label"> {
  icon: IconName;
  label: string;
  pressed?: boolean;
}

export function IconButton({ icon, label, pressed, ...rest }: IconButtonProps) {
  return (
    <button type="button" class="icon-button" aria-label={label} title={label} aria-pressed={pressed} {...rest}>
      <Icon name={icon} />
    </button>
  );
}
