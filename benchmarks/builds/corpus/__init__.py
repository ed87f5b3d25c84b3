"""A corpus of seeded bugs: small projects, each with one realistic mistake, and their clean twins.

`bases/` holds clean projects. Each file of `bugs/` is one bug: a base, `[[change]]` with the text that is
right there and the wrong one, and why somebody would write it. `[[both]]` are changes that are no bug and
that the clean twin has too.
"""
