package hero.supervisor;

import hero.supervisor.v1.Job;

/** A job that ended without a result. */
public final class JobFailedException extends RuntimeException {
    private static final long serialVersionUID = 1L;

    private final Job job;

    JobFailedException(Job job) {
        super(
                job.getState() == Job.State.STATE_CANCELLED
                        ? "job " + job.getJobId() + " was cancelled: " + job.getCancelReason()
                        : "job "
                                + job.getJobId()
                                + " failed ("
                                + job.getError().getKind()
                                + "): "
                                + job.getError().getMessage());
        this.job = job;
    }

    /** The job, with its error. */
    public Job job() {
        return job;
    }
}
