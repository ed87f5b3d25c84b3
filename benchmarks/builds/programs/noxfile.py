"""The same duties as a session of nox, in an environment that uv makes."""

import os

import nox

nox.options.default_venv_backend = "uv"
OUTPUT = os.environ["OUTPUT"]
EXPORT = ("uv", "export", "--frozen", "--no-dev", "--quiet")


@nox.session
def build(session: nox.Session) -> None:
    place = {"UV_PROJECT_ENVIRONMENT": session.virtualenv.location}
    session.run_install("uv", "sync", "--frozen", "--quiet", env=place)
    session.run_install("uv", "pip", "install", "--quiet", "--offline", os.environ["PENSTOCK_WHEEL"])
    session.run("pytest", "--quiet", "--junitxml", f"{OUTPUT}/report.xml")
    session.run("uv", "build", "--quiet", "--wheel", "--out-dir", OUTPUT, external=True)
    requirements = ("--no-emit-project", "--output-file", f"{OUTPUT}/requirements.txt")
    session.run(*EXPORT, *requirements, external=True)
    bill = ("--format", "cyclonedx1.5", "--preview-features", "sbom-export")
    session.run(*EXPORT, *bill, "--output-file", f"{OUTPUT}/sbom.json", external=True)
