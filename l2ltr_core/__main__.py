"""`python -m l2ltr_core` is the `l2ltr` command."""

import sys

from l2ltr_core.cli import main

sys.exit(main())
