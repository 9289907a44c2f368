"""`python -m imgpipe_cli` is the `imgpipe` command."""

import sys

from imgpipe_cli.main import main

sys.exit(main())
