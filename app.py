"""Start Coverslip from a checkout: `python app.py [SLIDE ...]`."""

from viewer.entry import main

if __name__ == "__main__":
    main()
