"""The command line: fast, lazy, and one line for an error."""

from __future__ import annotations

import errno
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
import pytest
from pydantic import BaseModel

from scenewright.cli import main as program
from scenewright.cli.main import COMMANDS, LazyCommand, cli, main

HEAVY = ("torch", "numpy", "av", "rich", "pydantic", "PIL")


def run(*args: str, **options: Any) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "scenewright", *args],
        capture_output=True,
        text=True,
        timeout=60,
        **options,
    )


def loaded_modules(code: str) -> set[str]:
    code += "\nimport json, sys; print(json.dumps(sorted(sys.modules)))"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return set(json.loads(result.stdout.splitlines()[-1]))


@pytest.fixture
def command(monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[[], None]], None]:
    """Put a function into the program as the command ``act``."""

    def install(function: Callable[[], None]) -> None:
        monkeypatch.setattr(sys.modules[__name__], "act", click.command("act")(function), raising=False)
        monkeypatch.setitem(COMMANDS, "act", LazyCommand(f"{__name__}:act", "Act."))

    return install


def error_of(capsys: pytest.CaptureFixture[str], *args: str) -> tuple[str, int]:
    code = main(args)
    stderr = capsys.readouterr().err
    assert stderr.count("\n") == 1, stderr
    assert stderr.startswith("scenewright: error: ")
    return stderr.removeprefix("scenewright: error: ").strip(), code


@pytest.mark.parametrize("args", [["--help"], []])
def test_help_and_import_load_nothing_heavy(args: list[str]) -> None:
    loaded = loaded_modules(f"from scenewright.cli.main import main; main({args!r})")
    assert not loaded & set(HEAVY)
    assert not {name for name in loaded if name.startswith("scenewright.cli.")} - {"scenewright.cli.main"}
    assert not loaded_modules("import scenewright") & set(HEAVY)


@pytest.mark.parametrize("name", list(COMMANDS))
def test_every_command_is_there_and_its_help_loads_no_torch(name: str) -> None:
    loaded = loaded_modules(f"from scenewright.cli.main import main; main([{name!r}, '--help'])")
    assert "torch" not in loaded
    command = cli.get_command(click.Context(cli), name)
    assert command is not None
    assert command.name == name
    assert command.get_short_help_str(limit=1000) == COMMANDS[name].summary


def test_help_lists_every_command() -> None:
    text = " ".join(run("--help").stdout.split())
    for name, command in COMMANDS.items():
        assert name in text
        assert command.summary in text


def test_version() -> None:
    from importlib.metadata import version

    result = run("--version")
    assert result.stdout == f"scenewright {version('scenewright')}\n"
    assert result.returncode == 0


def test_unknown_commands_and_options_suggest_close_ones(capsys: pytest.CaptureFixture[str]) -> None:
    message, code = error_of(capsys, "docter")
    assert (message, code) == (
        "no such command 'docter'. Did you mean doctor; see scenewright --help",
        2,
    )
    message, code = error_of(capsys, "doctor", "--jsn")
    assert "--jsn" in message
    assert "--json" in message
    assert code == 2
    assert "no such command 'qqqq'; see" in error_of(capsys, "qqqq")[0]


class _Model(BaseModel):
    count: int
    name: str


@pytest.mark.parametrize(
    ("raised", "line", "code"),
    [
        (ValueError("a\nb"), "a b", 2),
        (FileNotFoundError(errno.ENOENT, "No such file or directory", "x.mp4"), "x.mp4: no such file", 2),
        (PermissionError(errno.EACCES, "Permission denied", "x.mp4"), "x.mp4: permission denied", 2),
        (OSError(errno.ENOSPC, "No space left on device"), "no space left on device", 2),
        (OSError("plain"), "plain", 2),
        (click.BadParameter("too big", param_hint="--size"), "--size", 2),
        (click.ClickException("said so"), "said so", 2),
        (ModuleNotFoundError("No module named 'ray'", name="ray.data"), "needs the package ray,", 2),
        (MemoryError(), "out of memory", 2),
        (KeyError("k"), "KeyError: 'k' (a fault of the program", 1),
        (KeyboardInterrupt(), "interrupted", 130),
        (click.Abort(), "interrupted", 130),
    ],
)
def test_an_error_is_one_line(
    raised: BaseException,
    line: str,
    code: int,
    command: Callable[[Callable[[], None]], None],
    capsys: pytest.CaptureFixture[str],
) -> None:
    def act() -> None:
        raise raised

    command(act)
    message, exit_code = error_of(capsys, "act")
    assert line in message
    assert exit_code == code


def test_a_validation_error_is_one_line(
    command: Callable[[Callable[[], None]], None], capsys: pytest.CaptureFixture[str]
) -> None:
    def act() -> None:
        _Model.model_validate({"count": "x"})

    command(act)
    message, code = error_of(capsys, "act")
    assert "count = 'x': should be a valid integer" in message
    assert "name is required" in message
    assert code == 2


@pytest.mark.parametrize("args", [("--debug", "act"), ("act", "--debug")])
def test_debug_shows_the_traceback(
    args: tuple[str, ...],
    command: Callable[[Callable[[], None]], None],
    capsys: pytest.CaptureFixture[str],
) -> None:
    def act() -> None:
        raise ValueError("here")

    command(act)
    assert main(args) == 2
    stderr = capsys.readouterr().err
    assert "Traceback" in stderr
    assert stderr.endswith("scenewright: error: here\n")


def test_debug_after_two_dashes_is_an_argument() -> None:
    assert program._take_debug(["generate", "--", "--debug"]) == (["generate", "--", "--debug"], False)


def test_a_closed_pipe_ends_quietly() -> None:
    read, write = os.pipe()
    os.close(read)
    process = subprocess.Popen(
        [sys.executable, "-m", "scenewright", "--help"], stdout=write, stderr=subprocess.PIPE
    )
    os.close(write)
    assert process.communicate(timeout=60)[1] == b""
    assert process.returncode == 141


@pytest.mark.skipif(os.name == "nt", reason="POSIX signals")
def test_ctrl_c_is_one_line(tmp_path: Path) -> None:
    script = tmp_path / "wait.py"
    script.write_text(
        "import sys, time, click\n"
        "from scenewright.cli import main as program\n"
        "@click.command()\n"
        "def wait():\n    print('ready', flush=True)\n    time.sleep(30)\n"
        "program.COMMANDS['wait'] = program.LazyCommand('__main__:wait', 'Wait.')\n"
        "sys.exit(program.main(['wait']))\n"
    )
    process = subprocess.Popen(
        [sys.executable, str(script)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        # A test run in the background of a shell is one that no Ctrl-C reaches.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    assert process.communicate(timeout=30)[1] == "scenewright: error: interrupted\n"
    assert process.returncode == 130


def test_shell_completion_offers_commands() -> None:
    environment = {
        **os.environ,
        "_SCENEWRIGHT_COMPLETE": "bash_complete",
        "COMP_WORDS": "scenewright doc",
        "COMP_CWORD": "1",
    }
    assert "doctor" in run(env=environment).stdout
