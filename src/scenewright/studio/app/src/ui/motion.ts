/** Whether the user asked for less motion. */
import { signal } from "@preact/signals";

const asked = window.matchMedia("(prefers-reduced-motion: reduce)");
export const still = signal(asked.matches);
asked.addEventListener("change", () => {
  still.value = asked.matches;
});
