"""What every project of this kind has: settings, database, security, mail, processes."""

__version__ = "0.1.0"
