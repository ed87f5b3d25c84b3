"""The same words as the URLs."""


def main() -> None:
    """The program `penstock`."""
    from penstock.cli.commands import app

    app()
