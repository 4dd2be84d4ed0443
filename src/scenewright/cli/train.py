"""``scenewright train``."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from scenewright.cli.console import Progress, emit, json_option, note

if TYPE_CHECKING:
    from scenewright.training.config import TrainingRecipe


@click.command()
@click.argument("recipe")
@click.argument("overrides", nargs=-1)
@click.option(
    "--output",
    type=click.Path(path_type=Path, file_okay=False),
    help="The run's folder. [default: runs/NAME]",
)
@click.option("--plan", "planning", is_flag=True, help="Say what the run will take, and start nothing.")
@click.option("--gpus", type=click.IntRange(min=1), help="With --plan: how many. [default: 1]")
@click.option("--gpu", help="With --plan: which, such as h100, l40s or cpu. [default: h100]")
@click.option("--price", type=click.FloatRange(min=0), help="With --plan: dollars an hour for one GPU.")
@click.option(
    "--peak",
    type=click.FloatRange(min=0, min_open=True),
    help="With --plan: measured TFLOP/s of one GPU, in place of the data sheet's.",
)
@click.option(
    "--fraction",
    type=click.FloatRange(min=0, max=1, min_open=True),
    help="With --plan: part of the peak that is reached. [default: 0.4]",
)
@json_option
def train(
    recipe: str,
    overrides: tuple[str, ...],
    output: Path | None,
    planning: bool,
    gpus: int | None,
    gpu: str | None,
    price: float | None,
    peak: float | None,
    fraction: float | None,
    as_json: bool,
) -> None:
    """Train RECIPE (a shipped name or a YAML file) with OVERRIDES such as optimizer.lr=3e-4.

    A run that was stopped goes on from its last checkpoint when the same command is given again. The run's
    folder holds log.jsonl, samples/ and, at the end, model/: give that to 'scenewright generate --model'.
    Under torchrun the run is spread over its processes as the recipe's 'parallel' says.

    \b
    Examples:
      scenewright train nano
      scenewright train my-recipe.yaml optimizer.lr=3e-4 --output runs/try
      scenewright train my-recipe.yaml --plan --gpus 8 --gpu h100
      torchrun --no-python --nproc-per-node 8 scenewright train my-recipe.yaml parallel.shard=8
    """
    from scenewright.config import load_recipe
    from scenewright.machine import keep_freed_memory
    from scenewright.training.config import TrainingRecipe
    from scenewright.training.parallel import teardown_distributed
    from scenewright.training.trainer import Trainer

    settings = load_recipe(TrainingRecipe, recipe, overrides)
    about = {"gpus": gpus, "gpu": gpu, "price": price, "peak": peak, "fraction": fraction}
    given = {name: value for name, value in about.items() if value is not None}
    if planning:
        if output is not None:
            raise click.UsageError("--plan starts nothing, so --output has no use with it")
        _plan(settings, given, as_json=as_json)
        return
    if given:
        raise click.UsageError(f"{', '.join('--' + name for name in given)}: only with --plan")
    keep_freed_memory()
    folder = output or Path("runs") / settings.name
    missing = [path for path in (folder, *folder.parents) if not path.exists()]
    try:
        trainer = Trainer(settings, folder)
    except BaseException:
        _remove(missing)
        raise
    try:
        if not trainer.layout.is_main:
            trainer.run()
            return
        with Progress(
            "Training", total=settings.total_steps, initial=trainer.step, unit="steps", as_json=as_json
        ) as bar:
            trainer.logging.on_log = lambda step, _, values: bar.advance(
                step - bar.done, loss=values.get("loss"), clips_per_second=values["clips_per_second"]
            )
            trainer.run()
    finally:
        teardown_distributed()
    if not trainer.finished:
        note(f"stopped at step {trainer.step}; the same command goes on from there", as_json=as_json)
        return
    emit(
        {"model": str(folder / "model"), "steps": trainer.step} if as_json else folder / "model",
        as_json=as_json,
    )


def _remove(made: Sequence[Path]) -> None:
    """Takes away the folder of a run that could not begin, and its parents where nothing else is in them. A
    folder with a recipe is a run that has begun, of this process or of another: it stays."""
    if not made or (made[0] / "recipe.yaml").exists():
        return
    shutil.rmtree(made[0], ignore_errors=True)
    for parent in made[1:]:
        with suppress(OSError):
            parent.rmdir()


def _plan(settings: TrainingRecipe, about: dict[str, Any], *, as_json: bool) -> None:
    from scenewright.training.planning import CostModel, is_counted, plan

    if not is_counted(settings):
        note("takes a few steps of small batches here, to see what they take", as_json=as_json)
    cost = CostModel(price=about.pop("price", None))
    if "peak" in about:
        about["peak"] *= 1e12
    found = plan(settings, about.pop("gpus", 1), about.pop("gpu", "h100"), cost=cost, **about)
    _ = found.best  # says why where nothing fits
    emit(found.record() if as_json else found.table(), as_json=as_json)
