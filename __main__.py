"""``python -m alledge``: the same front door as the ``alledge`` script."""

from .cli import run

if __name__ == "__main__":
    run()
