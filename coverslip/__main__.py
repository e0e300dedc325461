"""Start the program: `python -m coverslip [SLIDE ...]`."""

from viewer.cli import main

if __name__ == "__main__":
    main()
