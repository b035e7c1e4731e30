"""`python -m services.documents [--check]`."""

from __future__ import annotations

import sys

from services.documents.writing import main

sys.exit(main())
