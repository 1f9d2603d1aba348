"""The BMS of the tests."""

ADDRESS = "A4:C1:37:00:11:22"
