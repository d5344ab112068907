"""`python -m core.cli`: what the script `portal` hands over to."""

import sys

from core.cli import main

sys.exit(main())
