"""Checks of the promises: each looks at the live system and answers kept, broken or cannot tell, with figures."""
