/** The single frames of a video as pictures: two players never drift apart if neither of them plays. */

const LARGEST_SIDE = 960;
const MOST_KEPT = 600;
/** Milliseconds. */
const LONGEST_WAIT = 250;

export class FrameSource {
  private readonly player = document.createElement("video");
  private readonly kept = new Map<number, ImageBitmap>();
  private turn: Promise<unknown> = Promise.resolve();
  private closed = false;
  private readonly ready: Promise<void>;

  /** `count` frames at `fps` a second. */
  constructor(
    url: string,
    readonly fps: number,
    readonly count: number,
  ) {
    this.player.muted = true;
    this.player.preload = "auto";
    this.player.playsInline = true;
    this.ready = new Promise((resolve, reject) => {
      this.player.addEventListener("loadeddata", () => resolve(), { once: true });
      this.player.addEventListener("error", () => reject(new Error(this.player.error?.message ?? "error")), { once: true });
    });
    this.ready.catch(() => undefined);
    this.player.src = url;
  }

  /** Frame `n`, where it was fetched before. */
  at(n: number): ImageBitmap | null {
    return this.kept.get(n) ?? null;
  }

  /** Frame `n`; one after the other, since a player has one place at a time. */
  frame(n: number): Promise<ImageBitmap> {
    const known = this.kept.get(n);
    if (known) return Promise.resolve(known);
    const next = this.turn.then(() => this.seek(n));
    this.turn = next.catch(() => undefined);
    return next;
  }

  /** Fetches all frames from the first, until it is closed or full. */
  async fetchAll(): Promise<void> {
    for (let n = 0; n < Math.min(this.count, MOST_KEPT) && !this.closed; n += 1) await this.frame(n);
  }

  close(): void {
    this.closed = true;
    this.player.removeAttribute("src");
    this.player.load();
    for (const picture of this.kept.values()) picture.close();
    this.kept.clear();
  }

  /** When frame `n` has reached the picture: a player may say that it has sought before it has. Where it was
   * there already, nothing is presented anew, hence the limit. */
  private presented(n: number): Promise<void> {
    return new Promise((resolve) => {
      const limit = window.setTimeout(resolve, LONGEST_WAIT);
      const look: VideoFrameRequestCallback = (_now, { mediaTime }) => {
        if (Math.abs(mediaTime * this.fps - n) >= 0.5) return void this.player.requestVideoFrameCallback(look);
        window.clearTimeout(limit);
        resolve();
      };
      this.player.requestVideoFrameCallback(look);
    });
  }

  private async seek(n: number): Promise<ImageBitmap> {
    const known = this.kept.get(n);
    if (known) return known;
    await this.ready;
    const time = Math.min((n + 0.5) / this.fps, Math.max(0, this.player.duration - 0.001));
    if (this.player.currentTime !== time) {
      const there = new Promise<void>((resolve) => this.player.addEventListener("seeked", () => resolve(), { once: true }));
      const seen = this.presented(n);
      this.player.currentTime = time;
      await there;
      await seen;
    }
    if (this.closed) throw new Error("closed");
    const { videoWidth: width, videoHeight: height } = this.player;
    const scale = Math.min(1, LARGEST_SIDE / Math.max(width, height));
    const picture = await createImageBitmap(this.player, {
      resizeWidth: Math.round(width * scale),
      resizeHeight: Math.round(height * scale),
    });
    if (this.kept.size >= MOST_KEPT) {
      const [oldest] = this.kept.keys();
      this.kept.get(oldest!)?.close();
      this.kept.delete(oldest!);
    }
    this.kept.set(n, picture);
    return picture;
  }
}
