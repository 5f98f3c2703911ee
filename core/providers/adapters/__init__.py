"""One module a vendor API. Each turns a `ModelRequest` into a call of the vendor's SDK and back."""
