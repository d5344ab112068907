"""How the license API reads questions and writes answers; the questions themselves are `blueprints/api.py`."""
