"""The command ``echokit show``: describe a component and its parameters."""

from __future__ import annotations

import click

from echokit.cli import options


@click.command("show", short_help="Describe a component and its parameters.")
@click.argument("name")
@click.option("--json", "as_json", is_flag=True, help="Print the JSON Schema.")
@options.plugin_files
def command(name: str, as_json: bool) -> None:
    """Describe a component and its parameters.

    NAME is kind.name if several kinds share the name. It can also be an optimizer or a schedule of torch or timm, a
    tracker or a metric.

    \b
    Example: echokit show motion_mask
    """
    import inspect
    import json

    from echokit.errors import EchokitError, did_you_mean
    from echokit.plugins.component import KINDS
    from echokit.plugins.discovery import installed
    from echokit.plugins.parameters import format_type
    from echokit.recipe.json_schema import component_schema
    from echokit.tools.recipe_choices import CHOICES, OTHER_WORDS, find_choices, metrics_of, name_in_recipe

    registry = installed().registry
    word, dot, rest = name.partition(".")
    name = f"{OTHER_WORDS.get(word, word)}{dot}{rest}" if dot else name
    kind, _, bare = name.partition(".") if name.partition(".")[0] in KINDS else ("", "", name)
    components = registry.components([kind] if kind else KINDS)
    matches = [c for c in components if bare in (registry.name_of(c), f"{c.plugin}:{c.name}")]
    matches = matches or [c for c in components if bare == c.name]  # every plugin's, if several register it
    in_library = any(name_in_recipe(component) != registry.name_of(component) for component in matches)
    choices = find_choices(name) if in_library or not matches else []
    for choice in choices:
        click.echo(f"{choice.kind} {choice.name}  ({choice.origin})\n\n{choice.summary}\n{CHOICES[choice.kind]}\n")
        for parameter, default in choice.parameters.items():
            click.echo(f"  {parameter}: default {json.dumps(default)}")
    if not matches and not choices:
        names = [registry.name_of(component) for component in components]
        raise EchokitError(
            f"there is no component {name!r}",
            hint=did_you_mean(bare, names) or "see echokit list",
            code="component.unknown",
        )
    for component in matches:
        if as_json:
            schema = component_schema(component.kind, registry.name_of(component))
            click.echo(json.dumps({"kind": component.kind, **schema}, indent=2))
            continue
        target = component.load()
        model = component.parameters()
        text = (inspect.getdoc(target) or "").split("\nArgs:")[0].strip()
        click.echo(f"{component.kind} {name_in_recipe(component)}  ({component.plugin})\n\n{text}\n")
        schema = model.model_json_schema().get("properties", {})
        for parameter, field in model.model_fields.items():
            default = "required" if field.is_required() else f"default {json.dumps(field.default, default=str)}"
            click.echo(f"  {parameter}: {format_type(schema[parameter])}; {default}\n      {field.description or ''}")
        if component.kind == "evaluator":
            for metric, definition in metrics_of(component).items():
                click.echo(f"  metric {metric}: {definition}")
        if "study" in text or "study" in json.dumps(schema):
            click.echo(f"\nreference study: {options.STUDY}")
