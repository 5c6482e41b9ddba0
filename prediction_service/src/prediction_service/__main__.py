"""`python -m prediction_service` serves; its commands look after the registry folder."""

import sys

from prediction_service.commands import main

if __name__ == "__main__":
    sys.exit(main())
