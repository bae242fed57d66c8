"""``python -m popstrat``."""

from popstrat.cli import main

if __name__ == "__main__":
    main()
