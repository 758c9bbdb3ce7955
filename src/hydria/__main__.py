"""`python -m hydria` is the same command as `hydria`."""

from hydria.cli.main import main

if __name__ == "__main__":
    main()
