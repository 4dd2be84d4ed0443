"""``scenewright studio``."""

from __future__ import annotations

import click

from scenewright.cli.serve import FOLDER, port_option, serve


@click.command()
@port_option
@click.option(
    "--folder",
    type=click.Path(file_okay=False),
    default=FOLDER,
    show_default=True,
    help="Where your videos are kept.",
)
@click.option("--device", "devices", multiple=True, help="As of scenewright serve.")
@click.option("--no-browser", is_flag=True, help="Say where the studio is, and open nothing.")
@click.pass_context
def studio(ctx: click.Context, port: int, folder: str, devices: tuple[str, ...], no_browser: bool) -> None:
    """Open the studio: make, steer, compare and keep videos in the browser.

    It is scenewright serve for this machine alone. Close the page whenever you like; what is queued is made
    as long as this program runs, and goes on when it is started again.

    \b
    Examples:
      scenewright studio
      scenewright studio --port 0 --folder my-videos
    """
    from scenewright.studio import static_folder

    if static_folder() is None:
        raise click.UsageError("this installation has no studio's pages; scenewright serve has the API alone")
    ctx.invoke(serve, port=port, folder=folder, devices=devices, open_page=not no_browser)
