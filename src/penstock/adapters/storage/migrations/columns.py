"""The columns that tables are made of."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

TEXT = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def key(name: str) -> sa.Column[Any]:
    """A number that is given to each row as it comes."""
    return sa.Column(name, sa.BigInteger().with_variant(sa.Integer, "sqlite"), primary_key=True)


def text(*names: str, nullable: bool = False) -> list[sa.Column[Any]]:
    """Texts, in the order of their characters' numbers."""
    return [sa.Column(name, TEXT, nullable=nullable) for name in names]


def integer(*names: str, nullable: bool = False) -> list[sa.Column[Any]]:
    """Whole numbers of 64 bits."""
    return [sa.Column(name, sa.BigInteger(), nullable=nullable) for name in names]


def double(*names: str, nullable: bool = False) -> list[sa.Column[Any]]:
    """Numbers of 64 bits."""
    return [sa.Column(name, sa.Float(), nullable=nullable) for name in names]


def boolean(*names: str, nullable: bool = False) -> list[sa.Column[Any]]:
    """True or false."""
    return [sa.Column(name, sa.Boolean(), nullable=nullable) for name in names]
