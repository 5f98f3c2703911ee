"""The privacy policy and the terms of use: their versions, how changes are announced, and who was told."""
