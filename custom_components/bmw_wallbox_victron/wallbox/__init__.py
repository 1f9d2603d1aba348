"""The wallbox half: an OCPP 2.0.1 central system, without Home Assistant."""
