"""Saliency for echokit: ``echokit saliency RUN VIDEO --out DIR``."""

from echokit import hookimpl


@hookimpl
def echokit_commands():
    """A string names the command: it is imported when it is asked for."""
    return {"saliency": ("echokit_captum.command:command", "Show where in a video a run finds its evidence.")}
