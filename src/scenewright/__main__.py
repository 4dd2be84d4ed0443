"""``python -m scenewright`` is ``scenewright``."""

import sys

from scenewright.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
