"""What is fuzzed: a module for each kind of input, as `target.Target` says."""
