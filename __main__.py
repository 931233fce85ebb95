"""``python -m alledge``: the same front door as the ``alledge`` script."""

from .cli import main

if __name__ == "__main__":
    main(prog_name="alledge")
