"""From a push to production: the three promotion paths."""

from __future__ import annotations

from datetime import timedelta

from penstock.cli.demo.project import Project
from penstock.cli.demo.stage import AUTHOR, LIVE, OPERATOR, PROJECT, REVIEWER, START, Stage
from penstock.cli.demo.system import Refused
from penstock.core.errors import StepFailed

REHEARSALS = 3


def deliver(stage: Stage, project: Project) -> None:
    """Push to dev, merge to main, promote to production; parts that are done already are left alone."""
    push(stage, project)
    merge(stage, project)
    rehearse(stage)
    promote(stage)


def push(stage: Stage, project: Project) -> None:
    """A push to `dev` is built, tested, packaged, deployed to `test`, and runs there once."""
    answer = stage.system.post("/projects", name=PROJECT, data_root=str(project.folder), actor=AUTHOR)
    if not stage.system.get("/branches")["items"]:
        stage.say("Pushing to dev: build, test, package, deploy to test, run once")
        project.push(stage.system.url() + answer["url"])
    stage.settle()
    builds = stage.system.get("/builds")["items"]
    if not builds or builds[0]["status"] != "passed":
        found = builds[0]["error"] if builds else "no build"
        raise StepFailed(what="The build is not green.", found=found, fix="See penstock builds.")
    if stage.succeeded("test") != 1:
        raise StepFailed(what="The release did not run once in test.")


def merge(stage: Stage, project: Project) -> None:
    """An approved merge to `main` takes the same release to `staging`."""
    if not any(branch["name"] == "main" for branch in stage.system.get("/branches")["items"]):
        stage.say("Approving and merging to main: the same release goes to staging")
        stage.system.post(f"/revisions/{project.commit()}/approve", actor=REVIEWER)
        stage.system.post("/merge", branch="dev", actor=REVIEWER)
    stage.settle()


def rehearse(stage: Stage) -> None:
    """Three runs in staging, a day apart; production refuses the release until the third has succeeded."""
    for number in range(1, REHEARSALS + 1):
        stage.advance(START + timedelta(days=number - 1))
        if stage.succeeded("staging") < number:
            stage.say(f"Staging run {number} of {REHEARSALS}")
            stage.fire("staging", f"rehearsal {number} of {REHEARSALS}")
        if stage.succeeded("staging") < number:
            raise StepFailed(what=f"Staging run {number} did not happen.")
        if stage.succeeded("staging") < REHEARSALS:
            _refused(stage)


def _refused(stage: Stage) -> None:
    try:
        stage.system.post("/promote", what="1", environment="production", actor=OPERATOR)
    except Refused as refusal:
        if refusal.what not in stage.memory.refusals:
            stage.memory.refusals.append(refusal.what)
            stage.remember()
        return
    raise StepFailed(what="Production took a release before three successful staging runs.")


def promote(stage: Stage) -> None:
    """On 1 March production takes the release, trains on what is known, and the first version goes live."""
    stage.advance(LIVE)
    if not stage.system.get("/deployments", environment="production")["items"]:
        stage.say("Promoting to production: train, gate, go live")
        stage.system.post("/promote", what="1", environment="production", actor=OPERATOR)
    stage.settle()
    if not stage.system.get("/swaps")["items"]:
        gates = stage.system.get("/gates")["items"]
        failed = [verdict["why"] for gate in gates for verdict in gate["verdicts"] if not verdict["passed"]]
        raise StepFailed(what="No model went live.", found="; ".join(failed) or "no gate report")
