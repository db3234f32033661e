"""A module that cannot be imported."""

raise RuntimeError("the reason stays here")
