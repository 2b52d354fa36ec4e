package hero.supervisor;

import hero.supervisor.v1.Job;
import hero.supervisor.v1.JobError;

/** A job that ended without a result. */
public final class JobFailedException extends RuntimeException {
    private static final long serialVersionUID = 1L;

    private final Job job;

    JobFailedException(Job job) {
        super(describe(job));
        this.job = job;
    }

    /** The job, with its error. */
    public Job job() {
        return job;
    }

    private static String describe(Job job) {
        if (job.getState() == Job.State.STATE_CANCELLED) {
            return "job " + job.getJobId() + " was cancelled: " + job.getCancelReason();
        }
        JobError error = job.getError();
        String place = error.hasLine() ? "line " + error.getLine() : "";
        if (error.hasLine() && error.hasColumn()) {
            place += ", column " + error.getColumn();
        }
        return String.format(
                "job %s failed (%s): %s%s",
                job.getJobId(),
                error.getKind().toString().replaceFirst("^KIND_", ""),
                error.getMessage(),
                place.isEmpty() ? "" : " (" + place + ")");
    }
}
