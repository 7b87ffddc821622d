"""`./dev chaos`: real processes, faults at random, and a ledger that tells whether the promises held."""
