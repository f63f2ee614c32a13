"""What people see of results: tables on stdout, a remark below them on stderr."""
