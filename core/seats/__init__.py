"""Seats: asked for, kept, given back, waited for. Both databases, any number of processes; never one seat twice."""
