"""Programs that try to break the portal: a quick form in every test run, the long form by `make drills`."""
