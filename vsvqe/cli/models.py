"""``vsvqe models``: what is shipped, and whether it is whole."""

import json
from dataclasses import asdict

import rich_click as click
from rich.table import Table

from ..cards import Card, find, list_models, models_folder
from ..inference.errors import ModelError
from . import console
from .exits import Exit


@click.group(invoke_without_command=True)
@click.pass_context
def models(context: click.RichContext, /) -> None:
    """List the models that come with vsvqe, and check them.

    \u0008
    vsvqe models
    vsvqe models show deblock-balanced-v7
    vsvqe models verify
    """
    if context.invoked_subcommand is None:
        context.invoke(list_)


@models.command("list")
@click.option("--json", "as_json", is_flag=True, help="For programs.")
def list_(as_json: bool = False) -> None:
    """List the models: what for, how large, what they gain."""
    if as_json:
        click.echo(json.dumps([_fields(card) for card in list_models()], indent=2))
        return
    table = Table(box=None)
    table.add_column("model", no_wrap=True)
    for title in ("task", "scale", "frames seen", "weights", "for"):
        table.add_column(title)
    for card in list_models():
        table.add_row(
            card.name,
            card.task,
            f"x{card.scale}",
            str(len(card.offsets)),
            f"{card.parameters:,}",
            card.description,
        )
    console.out.print(table)


@models.command()
@click.argument("name")
@click.option("--json", "as_json", is_flag=True, help="For programs.")
def show(name: str, as_json: bool) -> None:
    """Show the card of a model: window, training, measured gains."""
    fields = _fields(_card(name))
    if as_json:
        click.echo(json.dumps(fields, indent=2))
        return
    lines = _flat(fields)
    width = max(len(key) for key, _ in lines)
    for key, value in lines:
        console.out.print(f"{key:{width}}  {value}", soft_wrap=True, markup=False)


@models.command()
def verify() -> None:
    """Compare the file of every model with the hash on its card."""
    damaged = False
    for card in list_models():
        try:
            find(card.name, card.task)
        except ModelError as error:
            damaged = True
            console.complain(str(error))
        else:
            console.out.print(f"{card.name}: whole, sha256 {card.sha256}", soft_wrap=True)
    if damaged:
        raise SystemExit(Exit.FILTER)


@models.command()
@click.argument("name", required=False)
def where(name: str | None) -> None:
    """Print where the models are, or the file of one."""
    click.echo(models_folder() if name is None else _card(name).path)


def _card(name: str) -> Card:
    for card in list_models():
        if card.name == name:
            return card
    names = ", ".join(card.name for card in list_models())
    raise click.UsageError(f"there is no model {name!r}; there are {names}")


def _fields(card: Card) -> dict[str, object]:
    return {**asdict(card), "path": str(card.path)}


def _flat(fields: dict[str, object], before: str = "") -> list[tuple[str, str]]:
    """Returns nested fields as lines ``outer.inner: value``."""
    lines = []
    for key, value in fields.items():
        if isinstance(value, dict):
            lines += _flat(value, f"{before}{key}.")
        else:
            lines.append((f"{before}{key}", str(value)))
    return lines
