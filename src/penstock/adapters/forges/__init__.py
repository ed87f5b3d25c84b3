"""Git hosts: the built-in one."""
