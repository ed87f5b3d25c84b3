"""`python -m penstock.cli`: the program where its script is not on the path."""

from penstock.cli import main

main()
