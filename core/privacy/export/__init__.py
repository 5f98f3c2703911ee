"""The copy of a person's data: answers to Art. 15 and 20 of the GDPR, as one sealed file that is fetched once."""
