"""Roles: for what an application uses models, and which model may have which role."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from pydantic import BaseModel

from gransk.core.errors import ModelError
from gransk.core.models import Card


@dataclass(frozen=True)
class Role:
    """One thing that an application uses a model for.

    Parameters
    ----------
    inputs, outputs : frozenset of str
        By whose names a model of ours is known to fit: all its inputs, and outputs that it must
        have; empty where none of ours does.
    contracts : tuple of str
        Kinds of contract by which a model that is not ours may have the role.
    """

    inputs: frozenset[str] = frozenset()
    outputs: frozenset[str] = frozenset()
    contracts: tuple[str, ...] = ()

    def check(self, name: str, card: Card) -> None:
        """Refuse a model that does not fit.

        Raises
        ------
        ModelError
            Names role, model and what would fit.
        """
        if card.contract is not None:
            if card.contract.kind in self.contracts:
                return
            is_a = f"has the contract {card.contract.kind}"
        else:
            told = {tensor.name for tensor in card.outputs}
            same = self.inputs == {tensor.name for tensor in card.inputs}
            if self.inputs and same and self.outputs <= told:
                return
            is_a = "has no contract"
        fits = [*(["a model of Gransk for it"] if self.inputs else []), *self.contracts]
        raise ModelError(f"role {name}: model {card.id!r} {is_a}; fits: {', '.join(fits)}")


@runtime_checkable
class HasRoles(Protocol):
    """An application whose settings say which model has which role."""

    roles: Mapping[str, Role]

    def chosen(self, settings: BaseModel) -> Mapping[str, str]:
        """Name of the model of each role that has one."""

    def check_models(self, settings: BaseModel, card: Callable[[str], Card]) -> None:
        """Do the models that the settings name fit their roles, and each other?

        Parameters
        ----------
        settings : BaseModel
        card : callable
            Gives the card of a model by its name, such as `ModelLibrary.card`.

        Raises
        ------
        ModelError
            Where one does not.
        """


def check_roles(
    roles: Mapping[str, Role], chosen: Mapping[str, str], card: Callable[[str], Card]
) -> dict[str, Card]:
    """Cards of the chosen models by role, each fitting its role.

    Raises
    ------
    ModelError
        Where a card is missing, or does not fit.
    """
    found = {role: card(name) for role, name in chosen.items()}
    for role, one in found.items():
        roles[role].check(role, one)
    return found
