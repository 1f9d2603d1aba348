"""Days of charging with faults of all kinds, in virtual time."""
