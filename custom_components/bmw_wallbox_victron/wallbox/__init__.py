"""OCPP 2.0.1: what a wallbox says, and how it comes to do what its owner set.

Nothing here knows Home Assistant. Where the functional blocks of Part 2 are:

- A Security: `central_system` (password), `tls` (certificate)
- B Provisioning: `provisioning`, `device_model`
- C Authorization: `station_config` (which cards may charge), `handlers`
- E Transactions: `transactions`, `transitions`; `sessions`, once they ended
- F Remote Control: `remote_control`, `remote_requests`
- G Availability: `availability`; the connector's status: `transitions`
- J Meter Values: `meter_values`, `live_readings`, `meter_polling`, `energy`
- K Smart Charging: `target` (what is wanted), `smart_charging` (which call is next),
  `observation` (whether it is kept), `enforcement` (how far it got), `profiles` (a
  limit as a charging profile), `controller` (makes the calls)

`handlers` has the table of all messages of a station, by block. Part 4 (OCPP-J) is in
`central_system`, `connection`, `liveness`, `frames`, `schemas`, `json_text`, `payloads`
and `calls`.
"""
