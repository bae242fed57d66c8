"""A month as a scheduler runs it: python scheduled_month.py LANDING OUT DATE

Each task is one command line, as Airflow's BashOperator, a Dagster op or cron would run it: its exit status decides
whether those behind it run, its log is a line of JSON for each event. A task that is run once more replaces what it
made before; one that fails leaves what was there.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

landing, out, as_of = sys.argv[1:]
Path(out).mkdir(parents=True, exist_ok=True)

# In Airflow these are `env` of the DAG, and each command a BashOperator: check >> score >> metrics.
ENVIRONMENT = {**os.environ, "POPSTRAT_AS_OF": as_of, "POPSTRAT_LOG_FORMAT": "json"}
POPSTRAT = [sys.executable, "-m", "popstrat"]
TASKS = {
    "check": ["check", landing, "--fail-on", "implausible=5", "--fail-on", "absent.systolic_bp"],
    "score": ["score", landing, "-o", f"{out}/scored", "--partition-by", "practice_code"],
    "metrics": ["metrics", landing, "-o", f"{out}/metrics.parquet"],
}

for task, arguments in TASKS.items():
    done = subprocess.run([*POPSTRAT, *arguments], env=ENVIRONMENT, stdout=subprocess.DEVNULL, check=False)
    print(json.dumps({"task": task, "status": done.returncode}), flush=True)
    if done.returncode:
        sys.exit(done.returncode)
