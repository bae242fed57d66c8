"""From files to files: scoring or checking a list, the column map, the run record, the benchmark of a machine.

Import its modules from products (upload, validation, fitting), pages and commands."""
