"""What holds for every shelf: a slow machine is no counterexample."""

from hypothesis import settings

settings.register_profile("penstock", deadline=None, print_blob=True)
settings.load_profile("penstock")
