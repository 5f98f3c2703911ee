"""What every room of `core` may use: time, ids, money, errors. Pure."""
