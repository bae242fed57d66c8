"""How fast this machine is: a synthetic list scored in memory and from file to file, beside the streaming floor.

Import `measure` from its module; it stands above `synthetic` and `runs`, and nothing but a command uses it."""
