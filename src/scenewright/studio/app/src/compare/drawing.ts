/** Two pictures on one canvas: one over the other, or how they differ. */

export function drawOne(canvas: HTMLCanvasElement, picture: ImageBitmap): void {
  canvas.width = picture.width;
  canvas.height = picture.height;
  canvas.getContext("2d")?.drawImage(picture, 0, 0);
}

/** `share`: how much of b is seen, 0 to 1. */
export function drawBlend(canvas: HTMLCanvasElement, a: ImageBitmap, b: ImageBitmap, share: number): void {
  drawOne(canvas, a);
  const context = canvas.getContext("2d");
  if (!context) return;
  context.globalAlpha = share;
  context.drawImage(b, 0, 0, canvas.width, canvas.height);
}

function pixels(picture: ImageBitmap, width: number, height: number): Uint8ClampedArray {
  const context = new OffscreenCanvas(width, height).getContext("2d", { willReadFrequently: true })!;
  context.drawImage(picture, 0, 0, width, height);
  return context.getImageData(0, 0, width, height).data;
}

/** Draws |a - b| times `gain` and returns the mean difference of a channel, 0 to 255, before the gain. */
export function drawDifference(canvas: HTMLCanvasElement, a: ImageBitmap, b: ImageBitmap, gain: number): number {
  const { width, height } = a;
  const one = pixels(a, width, height);
  const other = pixels(b, width, height);
  const image = new ImageData(width, height);
  let sum = 0;
  for (let i = 0; i < one.length; i += 4) {
    for (let c = i; c < i + 3; c += 1) {
      const difference = Math.abs(one[c]! - other[c]!);
      sum += difference;
      image.data[c] = difference * gain;
    }
    image.data[i + 3] = 255;
  }
  canvas.width = width;
  canvas.height = height;
  canvas.getContext("2d")?.putImageData(image, 0, 0);
  return sum / ((one.length / 4) * 3);
}
