"""`python -m editmetrics` is the program `editmetrics`."""

from .cli import main

if __name__ == "__main__":
    main()
