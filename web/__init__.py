"""Everything HTTP that is not Streamlit: the site, sign-in, the API, and the gate in front of the app."""
