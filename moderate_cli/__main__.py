"""`python -m moderate_cli` is the command `moderate`."""

from moderate_cli.main import main

if __name__ == "__main__":
    main()
