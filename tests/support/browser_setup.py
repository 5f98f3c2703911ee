"""Makes a Chromium available for the browser tests: an installed one, else the distribution's package."""

import os
import shutil
import subprocess
import sys

NAMES = ("chromium", "chromium-browser", "google-chrome")


def find_chromium() -> str | None:
    """Path of an installed Chromium."""
    return next((path for name in NAMES if (path := shutil.which(name))), None)


def main() -> None:
    if find_chromium() or os.geteuid() != 0 or shutil.which("apt-get") is None:
        if not find_chromium():
            print("No Chromium here and no way to install one: the browser tests will be skipped.", file=sys.stderr)
        return
    print("Installing Chromium for the browser tests.", file=sys.stderr)
    quiet = {"stdout": subprocess.DEVNULL, "env": {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}}
    subprocess.run(["apt-get", "update", "-q"], check=False, **quiet)
    subprocess.run(["apt-get", "install", "-y", "-q", "--no-install-recommends", "chromium"], check=False, **quiet)


if __name__ == "__main__":
    main()
