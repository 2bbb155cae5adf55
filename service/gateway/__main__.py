"""`python -m service.gateway`."""

if __name__ == "__main__":
    from service.gateway.app import main

    raise SystemExit(main())
