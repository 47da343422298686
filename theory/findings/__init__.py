"""Statements as published or commonly made, in a finite form that falls, beside what repairs them."""
