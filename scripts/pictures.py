"""Draws the pictures of the README and the documentation from the model and the world in the package.

``python scripts/pictures.py`` writes docs/images/nano.webp (an animated grid of what nano makes),
docs/images/nano-strips.webp (the same clips as film strips), docs/images/nano-given.webp (what it makes of
given frames) and docs/images/world.webp (the world).
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from scenewright.clip import Clip, Prompt
from scenewright.evaluation.suites import SuitePrompt
from scenewright.evaluation.systems import WorldSystem
from scenewright.generation.loading import load_pipeline
from scenewright.generation.pipeline import TextToVideo
from scenewright.media import contact_sheet, save_image
from scenewright.world.layout import complete
from scenewright.world.parser import parse
from scenewright.world.render import render

IMAGES = Path(__file__).resolve().parent.parent / "docs" / "images"

#: The first seed of each prompt, not the best of many.
NANO = (
    "a red ball rolls left",
    "a large blue cube slides right",
    "a yellow torus rolls to the right",
    "a green cone falls",
    "a purple cylinder jumps",
    "an orange sphere bounces to the left",
    "a cyan pyramid shrinks",
    "a pink capsule grows",
    "a white cube slides toward the camera",
    "a black sphere rolls away from the camera",
    "a brown torus vanishes",
    "a small red cube spins",
)
GIVEN = {
    "first": ("a red ball rolls left", "a green cone jumps"),
    "ends": ("a blue cube slides right", "an orange sphere bounces"),
    "start": ("a yellow torus rolls to the right", "a purple cylinder shrinks"),
}
WORLD = (
    "a large red metal sphere rolls left behind a small blue cube on a tiled floor while the camera orbits",
    "a glass torus rolls right on a wooden floor in the evening",
    "three green cones bounce on grass under a cloudy sky",
    "a small orange sphere orbits a large white chequered cube in a studio",
)


def grid(clips: list[Clip], captions: tuple[str, ...], columns: int, side: int, path: Path) -> None:
    """An animated WebP of clips of one length side by side, each over its caption."""
    text = 34
    rows = -(-len(clips) // columns)
    font = ImageFont.load_default(12)
    frames = []
    for t in range(len(clips[0])):
        sheet = Image.new("RGB", (columns * (side + 8) + 8, rows * (side + text + 8) + 8), (250, 250, 248))
        draw = ImageDraw.Draw(sheet)
        for i, (clip, caption) in enumerate(zip(clips, captions, strict=True)):
            x, y = 8 + (i % columns) * (side + 8), 8 + (i // columns) * (side + text + 8)
            picture = Image.fromarray(np.asarray(clip.frames[t])).resize(
                (side, side), Image.Resampling.LANCZOS
            )
            sheet.paste(picture, (x, y))
            for line, words in enumerate(_wrap(caption, font, side)[:2]):
                draw.text((x, y + side + 2 + 14 * line), words, (38, 40, 44), font=font)
        frames.append(sheet)
    duration = round(1000 / clips[0].fps)
    durations = [duration] * (len(frames) - 1) + [duration + 700]
    frames[0].save(
        path, save_all=True, append_images=frames[1:], duration=durations, loop=0, quality=70, method=6
    )


def _wrap(text: str, font: ImageFont.FreeTypeFont | ImageFont.ImageFont, width: int) -> list[str]:
    lines = [""]
    for word in text.split():
        longer = f"{lines[-1]} {word}".strip()
        if font.getlength(longer) <= width:
            lines[-1] = longer
        else:
            lines.append(word)
    return lines


def given(pipeline: TextToVideo) -> Image.Image:
    """Film strips of videos from frames of the world, above the whole renders that these frames are of."""
    prompts = [SuitePrompt(text, kind, text, 0, kind) for kind, texts in GIVEN.items() for text in texts]
    world = WorldSystem(*pipeline.native_size)
    frames = world.given(prompts, 0)
    made = pipeline.generate(
        [Prompt(text=p.text, seed=p.seed, given=f) for p, f in zip(prompts, frames, strict=True)]
    )
    clips, captions = [], []
    for prompt, clip, truth in zip(prompts, made, world.clips(prompts, 0), strict=True):
        clips += [clip, truth]
        captions += [f"{prompt.text} (given: {prompt.given})", "the render that the frames are of"]
    return contact_sheet(clips, captions=captions, columns=2, frames_per_clip=6, height=96)


def main() -> None:
    IMAGES.mkdir(parents=True, exist_ok=True)
    pipeline = load_pipeline("nano")
    clips = pipeline.generate([Prompt(text=text, seed=0) for text in NANO])
    grid(clips, NANO, columns=4, side=160, path=IMAGES / "nano.webp")
    save_image(
        contact_sheet(clips, captions=NANO, columns=2, frames_per_clip=6, height=96),
        IMAGES / "nano-strips.webp",
    )
    save_image(given(pipeline), IMAGES / "nano-given.webp")
    scenes = [complete(parse(text).description, seed=0) for text in WORLD]
    worlds = [
        Clip(frames=render([scene], width=320, height=320, num_frames=16, fps=8.0)[0].rgb, fps=8.0)
        for scene in scenes
    ]
    grid(worlds, WORLD, columns=2, side=320, path=IMAGES / "world.webp")


if __name__ == "__main__":
    main()
