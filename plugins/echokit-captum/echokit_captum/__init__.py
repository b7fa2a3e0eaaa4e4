"""Saliency maps for echokit: ``echokit saliency RUN VIDEO --out DIR``."""

from echokit import hookimpl


@hookimpl
def echokit_commands():
    """Register the command by name, so that it is imported only when it is used."""
    return {
        "saliency": ("echokit_captum.command:command", "Show which regions of a video influence the score of a run.")
    }
