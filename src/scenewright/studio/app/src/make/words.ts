/** The words that a chip offers: the first name of everything in the world that a prompt can be about. */

export const COLOURS = [
  "red", "orange", "yellow", "green", "cyan", "blue", "purple", "pink", "brown", "white", "gray", "black",
] as const;

export const SHAPES: Record<string, [singular: string, plural: string]> = {
  sphere: ["ball", "balls"],
  cube: ["cube", "cubes"],
  cylinder: ["cylinder", "cylinders"],
  cone: ["cone", "cones"],
  torus: ["ring", "rings"],
  pyramid: ["pyramid", "pyramids"],
  capsule: ["capsule", "capsules"],
};

/** The forms of a verb: they roll, it rolls, rolling. Motions that go to another object are not offered. */
export const MOTIONS: Record<string, [base: string, third: string, ing: string]> = {
  roll: ["roll", "rolls", "rolling"],
  slide: ["slide", "slides", "sliding"],
  bounce: ["bounce", "bounces", "bouncing"],
  fall: ["fall", "falls", "falling"],
  jump: ["jump", "jumps", "jumping"],
  spin: ["spin", "spins", "spinning"],
  grow: ["grow", "grows", "growing"],
  shrink: ["shrink", "shrinks", "shrinking"],
  appear: ["appear", "appears", "appearing"],
  vanish: ["vanish", "vanishes", "vanishing"],
  shake: ["shake", "shakes", "shaking"],
};
