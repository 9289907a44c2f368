"""`python -m imgpipe` is the `imgpipe` command."""

import sys

from imgpipe_cli.main import main

sys.exit(main())
