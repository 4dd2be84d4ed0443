"""The ``scenewright`` command: the table of commands, and what an error looks like."""

from __future__ import annotations

import difflib
import importlib
import os
import sys
import traceback
from collections.abc import Sequence
from typing import Any, NamedTuple

import click

PROGRAM = "scenewright"

#: Exit codes: what the user can put right, what is a fault of the program, Ctrl-C, a closed pipe.
EXIT_USER, EXIT_FAULT, EXIT_INTERRUPTED, EXIT_PIPE = 2, 1, 130, 141


class LazyCommand(NamedTuple):
    """Where a command lives (``module:attribute``) and its one line in ``scenewright --help``."""

    target: str
    summary: str


#: Every command of the program. A new one is one line here and a module in this package.
COMMANDS: dict[str, LazyCommand] = {
    "generate": LazyCommand("scenewright.cli.generate:generate", "Make a video from a sentence."),
    "import": LazyCommand(
        "scenewright.cli.import_:import_video", "Read from VIDEO how it was made, and make it again."
    ),
    "caption": LazyCommand("scenewright.cli.caption:caption", "Say in words what VIDEOS show."),
    "sound": LazyCommand("scenewright.cli.sound:sound", "Give VIDEO the sound of what is seen in it."),
    "match": LazyCommand("scenewright.cli.match:match", "Say which VIDEOS match TEXT best."),
    "attention": LazyCommand(
        "scenewright.cli.attention:attention", "Draw which words of PROMPT a model looks at, where and when."
    ),
    "train": LazyCommand(
        "scenewright.cli.train:train",
        "Train RECIPE (a shipped name or a YAML file) with OVERRIDES such as optimizer.lr=3e-4.",
    ),
    "evaluate": LazyCommand(
        "scenewright.cli.evaluate:evaluate",
        "Score a model, a folder of videos, or the world's own renders against their prompts.",
    ),
    "compare": LazyCommand(
        "scenewright.cli.compare:compare",
        "Say which of several systems is better at what.",
    ),
    "study": LazyCommand(
        "scenewright.cli.study:study", "Ask people: which video is better, how good it is, what it shows."
    ),
    "world": LazyCommand(
        "scenewright.cli.world:world",
        "Scenes with exact ground truth: render a sentence, describe a scene, sample a dataset.",
    ),
    "data": LazyCommand("scenewright.cli.data:data", "Datasets: what training reads."),
    "worker": LazyCommand(
        "scenewright.cli.worker:worker", "Make the videos of a queue, on this machine and device."
    ),
    "studio": LazyCommand(
        "scenewright.cli.studio:studio",
        "Open the studio: make, steer, compare and keep videos in the browser.",
    ),
    "serve": LazyCommand(
        "scenewright.cli.serve:serve", "Serve the studio and an API for videos as OpenAI's clients speak it."
    ),
    "accounts": LazyCommand("scenewright.cli.accounts:accounts", "Users of a server and their API keys."),
    "doctor": LazyCommand(
        "scenewright.cli.doctor:doctor", "Report what works on this machine and how to get the rest."
    ),
}


class LazyGroup(click.Group):
    """A group that imports a command's module when the command is run, not when it is listed."""

    def __init__(self, *args: Any, lazy: dict[str, LazyCommand], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.lazy = lazy

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(self.lazy)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in self.lazy:
            return None
        module, _, attribute = self.lazy[cmd_name].target.partition(":")
        command = getattr(importlib.import_module(module), attribute)
        assert isinstance(command, click.Command)
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        name = args[0]
        if name in self.lazy or name.startswith("-"):
            return super().resolve_command(ctx, args)
        close = difflib.get_close_matches(name, self.lazy, n=3, cutoff=0.5)
        hint = f" Did you mean {' or '.join(close)}?" if close else ""
        raise click.UsageError(f"no such command '{name}'.{hint}", ctx=ctx)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        rows = [(name, command.summary) for name, command in self.lazy.items()]
        if rows:
            with formatter.section("Commands"):
                formatter.write_dl(rows)


@click.group(
    cls=LazyGroup,
    lazy=COMMANDS,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="Each command explains itself: scenewright COMMAND --help",
)
@click.version_option(package_name=PROGRAM, prog_name=PROGRAM, message="%(prog)s %(version)s")
@click.option(
    "--debug",
    is_flag=True,
    expose_value=False,
    help="Show the traceback of an error. Works after a command too.",
)
def cli() -> None:
    """The text-to-video workbench: from a sentence to a video, and from footage to a model."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code; errors become one line on standard error."""
    args = list(sys.argv[1:] if argv is None else argv)
    complete_var = f"_{PROGRAM.upper()}_COMPLETE"
    if instruction := os.environ.get(complete_var):
        from click.shell_completion import shell_complete

        return shell_complete(cli, {}, PROGRAM, complete_var, instruction)
    args, debug = _take_debug(args)
    try:
        return _run(args)
    except BaseException as error:
        if debug and not isinstance(error, (click.exceptions.Exit, SystemExit)):
            traceback.print_exc()
        return _explain(error)


def _run(args: list[str]) -> int:
    try:
        with cli.make_context(PROGRAM, args) as ctx:
            cli.invoke(ctx)
    except click.exceptions.Exit as stop:
        sys.stdout.flush()
        return stop.exit_code
    sys.stdout.flush()
    return 0


def _take_debug(args: list[str]) -> tuple[list[str], bool]:
    """Accept ``--debug`` anywhere before ``--``: it is wanted after the command has already failed."""
    end = args.index("--") if "--" in args else len(args)
    kept = [arg for arg in args[:end] if arg != "--debug"]
    return kept + args[end:], len(kept) < end


def _explain(error: BaseException) -> int:
    """Say in one line on standard error what went wrong; return the exit code for it."""
    if isinstance(error, SystemExit):
        raise error
    if isinstance(error, (KeyboardInterrupt, EOFError, click.Abort)):
        _error("interrupted")
        return EXIT_INTERRUPTED
    if isinstance(error, BrokenPipeError):
        # Python flushes standard output again at exit; give that flush somewhere to go.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return EXIT_PIPE
    if isinstance(error, click.UsageError) and type(error).__name__ == "NoArgsIsHelpError":
        error.show()
        return EXIT_USER
    from scenewright.cli.errors import describe

    line, code = describe(error)
    if code == EXIT_FAULT:
        line += " (a fault of the program: run it again with --debug to see where)"
    elif isinstance(error, click.UsageError) and error.ctx is not None:
        line = f"{line.rstrip('.?!')}; see {error.ctx.command_path} --help"
    _error(line)
    return code


def _error(line: str) -> None:
    click.echo(f"{PROGRAM}: error: {line}", err=True)
