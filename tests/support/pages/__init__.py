"""Pages as people see them: a browser, and the forms that it would send."""
