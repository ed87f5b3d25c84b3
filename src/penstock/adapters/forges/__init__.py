"""Git hosts: the built-in one, GitHub, GitLab, Gitea and Forgejo."""
