package hero.supervisor;

import hero.supervisor.v1.CancelJobRequest;
import hero.supervisor.v1.Job;
import hero.supervisor.v1.RunJobRequest;
import io.grpc.Context;
import io.grpc.Status;
import java.time.Duration;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.concurrent.ScheduledExecutorService;
import java.util.function.Supplier;

/** Cancels a job because the wait for it has ended before it. */
final class Unawaited {
    /** Longest time for it. */
    private static final Duration LIMIT = Duration.ofSeconds(3);

    private final SupervisorClient client;
    private final ScheduledExecutorService timer;
    private final Outage outage;

    Unawaited(SupervisorClient client, ScheduledExecutorService timer, Outage outage) {
        this.client = client;
        this.timer = timer;
        this.outage = outage;
    }

    /**
     * The job, if it has ended by itself before the time was over.
     *
     * @param jobId empty as long as no server has said that there is the job
     * @throws SupervisorException the error of the wait, which says whether the job was cancelled
     */
    Job cancel(SupervisorException over, String jobId, RunJobRequest.Builder request) {
        Job job;
        try {
            job = undisturbed(() -> Wait.within(timer, LIMIT, () -> cancelled(jobId, request)));
        } catch (SupervisorException failure) {
            // Where nothing is known of a job, the error says so already.
            if (!over.reason().equals("WAIT_OVER")) {
                throw over;
            }
            String message = over.getMessage() + "; the job could not be cancelled" + failure.why();
            throw new SupervisorException(over.code(), over.reason(), message, over.metadata(), over);
        }
        // A job that has not ended was there before, and goes on.
        if (!job.hasFinishTime()) {
            throw over;
        }
        if (job.getState() != Job.State.STATE_CANCELLED) {
            if (over.code() == Status.Code.DEADLINE_EXCEEDED) {
                return job;
            }
            throw over;
        }
        Map<String, String> metadata = new LinkedHashMap<>(over.metadata());
        metadata.put("job_id", job.getJobId());
        metadata.put("cancelled", "true");
        String message = "the wait is over before the job, which was cancelled";
        throw new SupervisorException(over.code(), "WAIT_OVER", message, metadata, over);
    }

    /** Works on although the thread was interrupted or its Context cancelled, which ends every call. */
    private static <T> T undisturbed(Supplier<T> work) {
        boolean interrupted = Thread.interrupted();
        Context previous = Context.ROOT.attach();
        try {
            return work.get();
        } finally {
            Context.ROOT.detach(previous);
            if (interrupted) {
                Thread.currentThread().interrupt();
            }
        }
    }

    private Job cancelled(String jobId, RunJobRequest.Builder request) {
        Wait wait = new Wait(outage, "", "");
        if (!jobId.isEmpty()) {
            var known = CancelJobRequest.newBuilder().setJobId(jobId).setReason("its caller stopped waiting").build();
            return wait.until(poll -> client.stub(Duration.ZERO).cancelJob(known).getJob());
        }
        // The same request finds the job if there is one. If there is none yet, the call that was broken off cannot make another one
        // later.
        var atOnce =
                request.setMaxWait(Protos.duration(Duration.ZERO))
                        .setOnWaitEnd(RunJobRequest.OnWaitEnd.ON_WAIT_END_CANCEL)
                        .build();
        return wait.until(poll -> client.stub(Duration.ZERO).runJob(atOnce).getJob());
    }
}
