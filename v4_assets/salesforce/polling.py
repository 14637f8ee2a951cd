"""Waiting for the end of a job. A failed poll is not a failed job: it is asked again until the deadline."""

from collections.abc import Callable
from dataclasses import dataclass

from v4_assets.config.rollout_systems import SalesforceSync
from v4_assets.errors import ApiLimitError, SalesforceError, SalesforceSetupError
from v4_assets.salesforce.client.org import JobState, JobStatus, Org, Wait

ROWS_PER_SECOND = 50_000
"""Expected speed of an org: the first poll waits for this. Earlier polls only cost requests."""
LONGEST_PAUSE = 30.0
ABORT_GRACE_SECONDS = 300.0
"""Time for an aborted job to reach its final state."""
REFUSED_POLLS = 5
"""A poll may be refused this many times in a row before the run gives up on the answer."""


@dataclass(frozen=True)
class Poller:
    """Polls jobs of an org."""

    org: Org
    rules: SalesforceSync
    wait: Wait
    log: Callable[[str], None]

    def end_of(self, job_id: str, row_count: int) -> tuple[JobStatus, bool]:
        """The final status of a job, and whether it was aborted at the deadline."""
        began, pause, late = self.wait.monotonic(), 1.0 + row_count / ROWS_PER_SECOND, False
        limit, refused = self.rules.poll_deadline_minutes * 60, 0
        while True:
            status, trouble = self._status(job_id, refused)
            if status and status.state.is_final:
                return status, late
            refused = refused + 1 if isinstance(trouble, SalesforceSetupError) else 0
            if status and status.state is JobState.OPEN:
                self.org.abort(job_id)
                pause = 0.0
            elif self.wait.monotonic() - began > limit:
                if late or status is None:
                    raise SalesforceError(
                        f"Job {job_id} has not ended after {limit / 60:.0f} minutes"
                        f"{f': {trouble}' if trouble else ' and an abort'}. It stays in the ledger; the next run "
                        "settles it first."
                    )
                self.org.abort(job_id)
                late, limit = True, limit + ABORT_GRACE_SECONDS
            self.wait.sleep(min(pause, LONGEST_PAUSE))
            pause = max(1.0, 1.5 * pause)

    def _status(self, job_id: str, refused: int) -> tuple[JobStatus | None, SalesforceError | None]:
        """The status of a job; None when the poll failed, which does not end the job.

        Raises ApiLimitError once the day's requests are used up, and the last of REFUSED_POLLS refusals.
        """
        try:
            return self.org.status(job_id), None
        except ApiLimitError:
            raise
        except SalesforceError as error:
            if isinstance(error, SalesforceSetupError) and refused + 1 >= REFUSED_POLLS:
                raise
            self.log(f"The status of job {job_id} could not be read: {error}")
            return None, error
