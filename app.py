"""Start Coverslip from a checkout: `python app.py [SLIDE ...]`."""

from viewer.cli import main

if __name__ == "__main__":
    main()
