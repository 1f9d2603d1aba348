"""The Victron half: advertisement + key -> reading, without Home Assistant."""
