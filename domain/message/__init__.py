"""One message: composed once, verified on its final octets."""
