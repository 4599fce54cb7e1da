"""Which figures a model card should have, and which of them it lacks."""

import json
from pathlib import Path

from ..cards import list_models, newest
from .methods import methods
from .recipes import RECIPES

# By task, of what ``methods`` does not run: the recipe of the tables that ASTF has of its own.
_ELSEWHERE = {"astf": ("hevc37",)}


def wanted() -> dict[str, list[str]]:
    """Returns the recipes on which every shipped model is measured, by the name of its card.

    Example:
        >>> from vsvqe.evaluation.coverage import wanted
        >>> wanted()["superres-x4-fast-v3"]
        ['x4clean', 'x4avc']
    """
    found = {card.name: list(_ELSEWHERE.get(card.task, ())) for card in newest(list_models())}
    for recipe in RECIPES.values():
        for method in methods(recipe, "auto"):
            if method.card is not None:
                found[method.card].append(recipe.name)
    return found


def gaps(folder: Path) -> dict[str, list[str]]:
    """Returns the recipes of which cards have no figures, by the names of those cards.

    Args:
        folder: With the cards as they are now.
    """
    missing = {}
    for name, recipes in wanted().items():
        fields = json.loads((folder / f"{name}.json").read_text(encoding="utf-8"))
        lacking = [recipe for recipe in recipes if recipe not in fields.get("gains", {})]
        if lacking:
            missing[name] = lacking
    return missing
