"""Runs a command and writes what it took to a file: launch.py FILE PROGRAM ARGUMENT...

Small on purpose (no pathlib, no site-packages): the system counts a child's memory from what its parent held.
"""

import json
import os
import shutil
import sys
import time

target, *command = sys.argv[1:]
program = shutil.which(command[0]) or command[0]
start = time.perf_counter()
child = os.posix_spawn(program, command, os.environ)
_, status, used = os.wait4(child, 0)
seconds = time.perf_counter() - start
memory = used.ru_maxrss * (1 if sys.platform == "darwin" else 1024)
with open(target, "w", encoding="utf-8") as file:  # noqa: PTH123
    json.dump({"seconds": seconds, "cpu": used.ru_utime + used.ru_stime, "memory": memory}, file)
sys.exit(os.waitstatus_to_exitcode(status))
