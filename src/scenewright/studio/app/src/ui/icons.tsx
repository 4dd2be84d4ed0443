/** The icons: strokes on a grid of 20, in the colour of the text beside them. */
const PATHS = {
  make: "M3 8.5h14V15a1.5 1.5 0 0 1-1.5 1.5h-11A1.5 1.5 0 0 1 3 15zM3.2 8.4 2.6 5.6 16 2.9l.6 2.8zM7.4 4.7l1.5 2.6M11.6 3.9l1.5 2.6",
  library: "M3 3.5h6v6H3zM11 3.5h6v6h-6zM3 11.5h6v5H3zM11 11.5h6v5h-6z",
  compare: "M3 4.5h14v11H3zM10 2.5v15M5.5 8v4M14.5 8v4",
  machine: "M5 5h10v10H5zM8 8h4v4H8zM8 5V2.5M12 5V2.5M8 17.5V15M12 17.5V15M5 8H2.5M5 12H2.5M17.5 8H15M17.5 12H15",
  sun: "M10 6.5a3.5 3.5 0 1 0 0 7 3.5 3.5 0 0 0 0-7zM10 2v1.6M10 16.4V18M2 10h1.6M16.4 10H18M4.3 4.3l1.2 1.2M14.5 14.5l1.2 1.2M4.3 15.7l1.2-1.2M14.5 5.5l1.2-1.2",
  moon: "M16.5 12A7 7 0 0 1 8 3.5a7 7 0 1 0 8.5 8.5z",
  auto: "M10 3a7 7 0 1 0 0 14zM10 3a7 7 0 0 1 0 14",
  dice: "M4.5 3h11A1.5 1.5 0 0 1 17 4.5v11a1.5 1.5 0 0 1-1.5 1.5h-11A1.5 1.5 0 0 1 3 15.500v-11A1.5 1.5 0 0 1 4.5 3zM7 7h.01M13 7h.01M10 10h.01M7 13h.01M13 13h.01",
  locked: "M5 9h10v7.500H5zM7 9V6.500a3 3 0 0 1 6 0V9",
  unlocked: "M5 9h10v7.500H5zM7 9V6a3 3 0 0 1 5.8-1",
  play: "M6 3.800v12.400l10-6.200z",
  pause: "M6.5 4v12M13.5 4v12",
  close: "M5 5l10 10M15 5 5 15",
  chevron: "M5.5 8l4.5 4.500L14.5 8",
  up: "M10 16V4.500M5 9l5-5 5 5",
  down: "M10 4v11.500M5 11l5 5 5-5",
  trash: "M3.5 5.500h13M8 5.500V3.500h4v2M5 5.500l.8 11h8.400l.8-11M8.5 8.500v5M11.5 8.500v5",
  download: "M10 3v9.500M5.5 8.5 10 13l4.5-4.500M3.5 16.500h13",
  reuse: "M4 4v5h5M4.5 9A6.5 6.5 0 1 1 4 12.5",
  search: "M8.8 3.500a5.3 5.3 0 1 0 0 10.6 5.3 5.3 0 0 0 0-10.600zM12.8 12.800l4 4",
  help: "M10 2.800a7.2 7.2 0 1 0 0 14.4 7.2 7.2 0 0 0 0-14.400zM7.8 8a2.2 2.2 0 1 1 3.3 1.900c-.7.4-1.1.8-1.1 1.600M10 14h.01",
  picture: "M3 4h14v12H3zM3 13.500l4-4 3.5 3.5 2.5-2.5 4 4M12.5 7.500h.01",
  check: "M4 10.500l4 4 8-9",
  warn: "M10 3 18 16.500H2zM10 8.500v3.500M10 14.200h.01",
  upload: "M10 13V3.500M5.5 8 10 3.5 14.5 8M3.5 16.500h13",
  tree: "M5 3.500v9a3 3 0 0 0 3 3h2M5 7.500h5M13 5.500h-3v4h6v-4zM13 13.500h-3v4h6v-4z",
  back: "M14.5 4.500v11l-8-5.500zM5 4.500v11",
  forward: "M5.5 4.500v11l8-5.500zM15 4.500v11",
  grip: "M7.5 5h.01M12.5 5h.01M7.5 10h.01M12.5 10h.01M7.5 15h.01M12.5 15h.01",
  plus: "M10 4v12M4 10h12",
  minus: "M4 10h12",
  keyboard: "M2.5 5.500h15v9h-15zM5.5 8.500h.01M8.5 8.500h.01M11.5 8.500h.01M14.5 8.500h.01M6.5 11.700h7",
  remix: "M3 6h3l7 8h4M3 14h3l2-2.300M11 8.3 13 6h4M15 4l2 2-2 2M15 12l2 2-2 2",
  extend: "M3 5h7v10H3zM13 10h4.500M15 7.500l2.5 2.5-2.5 2.5",
  tag: "M3 3.500h6.500l7 7-6 6-7.5-7zM6.5 7h.01",
  grid: "M3 3h14v14H3zM3 7.700h14M3 12.300h14M7.7 3v14M12.3 3v14",
} as const;

export type IconName = keyof typeof PATHS;

export function Icon({ name, size = 20 }: { name: IconName; size?: number }) {
  return (
    <svg class="icon" width={size} height={size} viewBox="0 0 20 20" aria-hidden="true" focusable="false">
      <path d={PATHS[name]} />
    </svg>
  );
}
