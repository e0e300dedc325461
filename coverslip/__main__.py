"""Start the program: `python -m coverslip [SLIDE ...]`."""

from viewer.entry import main

if __name__ == "__main__":
    main()
