"""One battery and one power source, from several devices; pure rules."""
