"""What people type and paste: fields read, faults named where they are, nothing lost."""
