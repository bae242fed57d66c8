"""The commands: `main` runs one and chooses the exit status, each command is a file, `options` is what they share.

Import `main`, `run` and `app` from here: ``python -m popstrat``, the console script and tests do, no other room."""

from popstrat.cli.main import app as app
from popstrat.cli.main import main as main
from popstrat.cli.main import run as run
