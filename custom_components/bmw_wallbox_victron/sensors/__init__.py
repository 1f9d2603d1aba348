"""Tables of sensor descriptions, by the device that they are of."""
