"""``scenewright study``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from scenewright.cli.console import emit, json_option, note

if TYPE_CHECKING:
    from scenewright.evaluation.people.answers import Answers
    from scenewright.evaluation.people.study import Study

_study_argument = click.argument(
    "study_file", metavar="STUDY", type=click.Path(path_type=Path, dir_okay=False)
)


#: Above 0 and below 1.
_CHANCE = click.FloatRange(0, 1, min_open=True, max_open=True)


@click.group()
def study() -> None:
    """Ask people: which video is better, how good it is, what it shows.

    STUDY is a YAML file:

    \b
      name: nano-against-mine
      systems: {nano: videos/nano, mine: videos/mine}   # folders with index.jsonl
      questions:
        - {kind: compare, text: Which video fits the sentence better?}
        - {kind: rate, text: How smooth is the motion?, scale: 5}
      votes: 3
    Folders are found from where it is. Answers are kept beside it, in STUDY.answers.sqlite.
    """


@study.command("serve")
@_study_argument
@click.option("--host", default="127.0.0.1", show_default=True, help="Who may come: 0.0.0.0 for everyone.")
@click.option(
    "--port", type=click.IntRange(0, 65535), default=8080, show_default=True, help="0: any free one."
)
def serve(study_file: Path, host: str, port: int) -> None:
    """Serve a page on which raters answer, until Ctrl-C."""
    from scenewright.evaluation.people.server import StudyServer

    opened, answers = _open(study_file)
    with StudyServer((host, port), opened, answers) as server:
        note(f"{len(opened.tasks)} tasks at {server.url} (Ctrl-C ends; answers are kept)")
        if host not in ("127.0.0.1", "localhost", "::1"):
            note("anyone who reaches this address can answer; raters name themselves")
        server.serve_forever(poll_interval=0.2)


@study.command("results")
@_study_argument
@json_option
def results_command(study_file: Path, as_json: bool) -> None:
    """Print what has been found so far."""
    from scenewright.evaluation.people.report import table
    from scenewright.evaluation.people.results import results

    opened, answers = _open(study_file)
    found = results(opened, answers)
    emit(found if as_json else table(found), as_json=as_json)


@study.command("export")
@_study_argument
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@click.option("--hits", metavar="URL", help="Write tasks for a crowd, whose videos are served at URL.")
@json_option
def export(study_file: Path, file: Path, hits: str | None, as_json: bool) -> None:
    """Write all answers as CSV, or the tasks with the addresses of their videos."""
    from scenewright.evaluation.people.answers import write_hits

    opened, answers = _open(study_file)
    count = answers.export_csv(opened, file) if hits is None else write_hits(opened, hits, file)
    emit({"path": str(file), "rows": count} if as_json else file, as_json=as_json)


@study.command("import")
@_study_argument
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@json_option
def import_command(study_file: Path, file: Path, as_json: bool) -> None:
    """Take in answers from CSV: an export, or a results file of Mechanical Turk's kind."""
    opened, answers = _open(study_file)
    count = answers.import_csv(opened, file)
    emit({"answers": count} if as_json else f"{count} answers", as_json=as_json)


@study.command("power")
@click.option(
    "--preference", type=float, default=0.6, show_default=True, help="Share of the votes to be found."
)
@click.option(
    "--power",
    type=_CHANCE,
    default=0.8,
    show_default=True,
    help="Chance to find it.",
)
@click.option(
    "--alpha",
    type=_CHANCE,
    default=0.05,
    show_default=True,
    help="Chance of a false find.",
)
@click.option("--votes-per-prompt", type=click.IntRange(min=1), default=1, show_default=True)
@click.option("--correlation", type=float, default=0.0, show_default=True, help="Of votes on one prompt.")
@click.option("--ties", type=float, default=0.0, show_default=True, help="Share of ties.")
@json_option
def power_command(
    preference: float,
    power: float,
    alpha: float,
    votes_per_prompt: int,
    correlation: float,
    ties: float,
    as_json: bool,
) -> None:
    """Say how many votes a comparison of two systems needs.

    \b
    Example:
      scenewright study power --preference 0.6 --ties 0.2
    """
    from scenewright.evaluation.people.planning import votes_needed

    votes = votes_needed(
        preference,
        alpha=alpha,
        power=power,
        votes_per_prompt=votes_per_prompt,
        correlation=correlation,
        ties=ties,
    )
    emit({"votes": votes} if as_json else f"{votes} votes", as_json=as_json)


def _open(file: Path) -> tuple[Study[Path], Answers]:
    from scenewright.config import load_recipe
    from scenewright.evaluation.people.answers import Answers
    from scenewright.evaluation.people.study import Study, StudyConfig

    config = load_recipe(StudyConfig, file)
    systems = {name: file.parent / folder for name, folder in config.systems.items()}
    config = config.model_copy(update={"systems": systems})
    opened = Study.open(config)
    return opened, Answers(file.with_name(f"{file.stem}.answers.sqlite"))
