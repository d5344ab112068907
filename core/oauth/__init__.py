"""Sign-in of programs: a person approves a device, a station has a key; what they present is known again here."""
