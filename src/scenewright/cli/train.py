"""``scenewright train``."""

from __future__ import annotations

from pathlib import Path

import click

from scenewright.cli.console import Progress, emit, json_option


@click.command()
@click.argument("recipe")
@click.argument("overrides", nargs=-1)
@click.option(
    "--output",
    type=click.Path(path_type=Path, file_okay=False),
    help="The run's folder. [default: runs/NAME]",
)
@json_option
def train(recipe: str, overrides: tuple[str, ...], output: Path | None, as_json: bool) -> None:
    """Train RECIPE (a shipped name or a YAML file) with OVERRIDES such as optimizer.lr=3e-4.

    A run that was stopped goes on from its last checkpoint when the same command is given again. The run's
    folder holds log.jsonl, samples/ and, at the end, model/: give that to 'scenewright generate --model'.

    \b
    Examples:
      scenewright train nano
      scenewright train my-recipe.yaml optimizer.lr=3e-4 --output runs/try
    """
    from scenewright.config import load_recipe
    from scenewright.machine import keep_freed_memory
    from scenewright.training.config import TrainingRecipe
    from scenewright.training.trainer import Trainer

    keep_freed_memory()
    settings = load_recipe(TrainingRecipe, recipe, overrides)
    folder = output or Path("runs") / settings.name
    trainer = Trainer(settings, folder)
    with Progress(
        "Training", total=settings.total_steps, initial=trainer.step, unit="steps", as_json=as_json
    ) as bar:
        trainer.logging.on_log = lambda step, _, values: bar.advance(
            step - bar.done, loss=values.get("loss"), clips_per_second=values["clips_per_second"]
        )
        trainer.run()
    emit(
        {"model": str(folder / "model"), "steps": trainer.step} if as_json else folder / "model",
        as_json=as_json,
    )
