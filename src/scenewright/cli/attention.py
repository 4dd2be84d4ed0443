"""``scenewright attention``."""

from __future__ import annotations

from pathlib import Path

import click

from scenewright.cli.console import note


@click.command()
@click.argument("prompt")
@click.option(
    "--model", required=True, help="A model that looks at words: a folder, zoo/aed or zoo/attn-gan."
)
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True, help="Of the video.")
@click.option(
    "-o", "--output", type=click.Path(path_type=Path), default=Path("attention.png"), show_default=True
)
def attention(prompt: str, model: str, seed: int, output: Path) -> None:
    """Draw which words of PROMPT a model looks at, where and when.

    There is a film strip for each piece of the text. Pixels are as bright as the weight that their place
    gives to the piece, as a share of the largest of all.

    \b
    Example:
      scenewright attention "a red ball rolls left" --model zoo/aed -o looked.png
    """
    from scenewright.clip import Prompt
    from scenewright.generation.attention_sheet import attention_sheet
    from scenewright.generation.direct import DirectGenerator
    from scenewright.generation.loading import load_generator
    from scenewright.media import save_image

    generator = load_generator(model)
    if not isinstance(generator, DirectGenerator):
        raise click.UsageError(f"{model} looks at no single words; take zoo/aed or zoo/attn-gan")
    save_image(attention_sheet(*generator.attention(Prompt(text=prompt, seed=seed))), output)
    note(str(output))
