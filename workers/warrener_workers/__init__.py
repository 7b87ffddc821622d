"""The worker processes, beat, and the command line of Warrener."""
