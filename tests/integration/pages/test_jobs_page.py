"""The operators' page of jobs."""

from datetime import timedelta

from core.platform.jobs.commands import run_job
from core.platform.jobs.declared import declared_jobs, find_job
from core.platform.jobs.domain import Job
from core.platform.jobs.queries import list_jobs
from core.platform.runtime import Runtime
from tests.integration.pages.conftest import Person, page_test, text_of


def _fail(_runtime: Runtime, _at: object) -> int:
    raise RuntimeError("secret text")


def test_each_job_is_told_in_words_with_its_last_runs(admin: Person) -> None:
    runtime = admin.runtime
    run_job(runtime, find_job("key_cleanup"), runtime.clock.now())
    run_job(runtime, Job("file_cleanup", "-", timedelta(hours=1), _fail), runtime.clock.now())
    app = page_test("admin.jobs", "jobs_page")
    said = text_of(app)
    assert all(job.says in said for job in declared_jobs())
    assert "every 5 seconds" in said and "every minute" in said and "every hour" in said and "every day" in said
    assert "RuntimeError" in said and "secret text" not in said
    assert "nothing to do" in said and "next " in said and not app.exception


def test_a_run_can_be_asked_for(admin: Person) -> None:
    app = page_test("admin.jobs", "jobs_page")
    app.button(key="job-run-key_cleanup").click().run()
    assert "waits for a scheduler" in text_of(app) and not app.exception
    (view,) = list_jobs(admin.runtime, [find_job("key_cleanup")], runs=1)
    assert view.runs[0].state == "asked"


def test_the_page_is_closed_to_others(person: Person) -> None:
    app = page_test("admin.jobs", "jobs_page")
    assert "no such page" in app.error[0].value and not app.button
