"""``python -m alledge``: the same as the ``alledge`` script."""

from .cli import run

if __name__ == "__main__":
    run()
