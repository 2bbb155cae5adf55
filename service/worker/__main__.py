"""`python -m service.worker`."""

if __name__ == "__main__":
    # Inside the guard: the decode children import this module again.
    from service.worker.app import main

    raise SystemExit(main())
