"""`warrener doctor`: facts are gathered in looking.py; what they mean is decided purely, in the others."""
