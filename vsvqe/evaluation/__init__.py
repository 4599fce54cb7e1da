"""Measures what the filters gain: real encoders, the real filters, what else there is, figures."""
