"""The public site: pages anybody may read, without cookies and without JavaScript."""
