"""Targets: functions named by where they are written, `package.module:function`."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Any

from penstock.core.errors import InvalidPipeline
from penstock.core.words import meant


def target_of(function: Callable[..., Any], word: str) -> str:
    """The target of a function that is declared as a `word` (a step, a pipeline, a feature view).

    Raises InvalidPipeline for a function that another process could not find by its name.
    """
    name = getattr(function, "__qualname__", "")
    module = getattr(function, "__module__", "")
    if not name:
        reason = f"{function!r} is not a function"
    elif name.endswith("<lambda>"):
        reason = "a lambda has no name by which a worker could import it"
    elif "." in name:
        reason = f"{name} is defined inside another function or class, where a worker cannot import it"
    elif module == "__main__":
        reason = f"{name} is in a program's main module, which a worker cannot import"
    else:
        return f"{module}:{name}"
    raise InvalidPipeline(
        what=f"This cannot be a {word}",
        found=reason,
        fix="Write a function with `def` at the top level of a module of your package.",
    )


def resolve(target: str) -> Any:
    """The object that a target names, importing its module.

    Raises InvalidPipeline when the text is no target or the module has no such name;
    an exception that the module itself raises comes through.
    """
    module_name, colon, name = target.partition(":")
    if not (module_name and colon and name.isidentifier()):
        raise InvalidPipeline(
            what="This does not name anything in a project",
            expected="package.module:name",
            found=repr(target),
        )
    module = importlib.import_module(module_name)
    if name not in vars(module):
        own = [
            word for word, value in vars(module).items() if getattr(value, "__module__", "") == module_name
        ]
        raise InvalidPipeline(what=f"{module_name} has no `{name}`.", fix=meant(name, own))
    return vars(module)[name]
