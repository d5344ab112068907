"""`python -m portal_seat`: the same as `portal-seat`."""

import sys

from portal_seat.command import main

sys.exit(main())
