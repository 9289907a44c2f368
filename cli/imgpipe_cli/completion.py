"""completion: prints the script that teaches a shell to complete the `imgpipe` command."""

from __future__ import annotations

import click


@click.command("completion", short_help="Print a script for the completion of a shell.")
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@click.pass_context
def completion_command(context: click.Context, shell: str) -> None:
    """Print the script that lets a shell complete commands, options and names of filters.

    \b
    bash:  eval "$(imgpipe completion bash)"    in ~/.bashrc (bash 4.4 or later)
    zsh:   eval "$(imgpipe completion zsh)"     in ~/.zshrc
    fish:  imgpipe completion fish | source     in ~/.config/fish/config.fish
    """  # noqa: D301 - click knows a paragraph that it must not wrap by this very character
    from click.shell_completion import get_completion_class  # noqa: PLC0415 - nobody else needs it

    kind = get_completion_class(shell)
    assert kind is not None  # click has one for every choice
    root = context.find_root()
    click.echo(kind(root.command, {}, "imgpipe", "_IMGPIPE_COMPLETE").source())
