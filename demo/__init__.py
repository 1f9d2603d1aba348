"""A Home Assistant with the integration and simulated devices: `scripts/demo`."""
