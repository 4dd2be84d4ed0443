"""``scenewright doctor``."""

from __future__ import annotations

import click

from scenewright.cli.console import emit, json_option

_MARKS = {
    "ok": ("ok", "green"),
    "info": ("-", "white"),
    "missing": ("missing", "yellow"),
    "failed": ("FAILED", "red"),
}


@click.command()
@json_option
@click.pass_context
def doctor(ctx: click.Context, as_json: bool) -> None:
    """Report what works on this machine and how to get the rest.

    Exits with 0 if 'scenewright generate' can work here, with 1 if it cannot.

    \b
    Examples:
      scenewright doctor
      scenewright doctor --json | jq .ready
    """
    from importlib.metadata import version

    from scenewright.doctor import examine, ready

    checks = examine()
    can_generate = ready(checks)
    if as_json:
        emit(
            {
                "scenewright": version("scenewright"),
                "ready": can_generate,
                "checks": [check.as_dict() for check in checks],
            }
        )
        ctx.exit(0 if can_generate else 1)
    width = max(len(check.name) for check in checks)
    for check in checks:
        mark, colour = _MARKS[check.state]
        click.echo(f"{click.style(f'{mark:<8}', fg=colour)}{check.name:<{width}}  {check.text}")
        if check.fix:
            click.echo(f"{'':<{8 + width}}  to get it: {check.fix}")
    click.echo()
    if can_generate:
        click.echo("Ready: scenewright generate works here.")
    else:
        broken = ", ".join(c.name for c in checks if c.needed and c.state in ("missing", "failed"))
        click.echo(f"Not ready: scenewright generate needs {broken}.")
    ctx.exit(0 if can_generate else 1)
