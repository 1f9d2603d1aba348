"""One battery and one power source, from what several devices say; pure rules."""
