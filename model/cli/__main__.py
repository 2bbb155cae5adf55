"""Run `python -m model.cli`, as a launcher of several processes does."""

from model.cli.app import main

if __name__ == "__main__":
    main()
