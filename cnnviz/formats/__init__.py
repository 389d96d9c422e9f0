"""Files in and out, with NumPy and protobuf only: no device is needed here."""
