package hero.supervisor;

import hero.supervisor.v1.Job;
import hero.supervisor.v1.WatchJobResponse;
import java.time.Duration;
import java.util.concurrent.CompletableFuture;

/** One job of a server: what {@link SupervisorClient#submit} gives, and {@link SupervisorClient#job} for a job of somebody else. */
public final class JobHandle {
    private final SupervisorClient client;
    private final String jobId;

    JobHandle(SupervisorClient client, String jobId) {
        this.client = client;
        this.jobId = jobId;
    }

    /** The id of the job. */
    public String jobId() {
        return jobId;
    }

    /**
     * Waits for the result of the job.
     *
     * @throws JobFailedException when it has none
     * @throws SupervisorException as {@link SupervisorClient#await} does
     */
    public String result(Duration timeout) {
        return SupervisorClient.result(await(timeout));
    }

    /** {@link #result} on a thread of the client's own; cancelling the future does not cancel the job. */
    public CompletableFuture<String> resultAsync(Duration timeout) {
        return client.awaitAsync(jobId, timeout).thenApply(SupervisorClient::result);
    }

    /** Waits for the end of the job, good or bad, as {@link SupervisorClient#await} does. */
    public Job await(Duration timeout) {
        return client.await(jobId, timeout);
    }

    /** Reads the job as it is now, with its script and environment. */
    public Job get() {
        return client.getJob(jobId);
    }

    /** Cancels the job; one that has ended stays as it is. Returns the job. */
    public Job cancel(String reason) {
        return client.cancel(jobId, reason);
    }

    /**
     * Follows the job to its end: the job as it is, its changes, its progress and its lines, and the job once more. It goes on behind
     * the last message when the connection is lost; the job as it is may come again then. Close the watch when you leave it.
     */
    public Watch<WatchJobResponse> watch() {
        return client.watchJob(jobId);
    }

    /** Reads the lines that the job writes, until its end. Close them when you leave them. */
    public LogLines logs() {
        return new LogLines(watch(), message -> message.getLogEntries().getEntriesList());
    }

    @Override
    public String toString() {
        return "job " + jobId;
    }
}
